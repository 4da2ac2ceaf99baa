"""A whole small training: every part of the method, every handler with a state, data loading by workers or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bundle.handlers import (
    BestModelHandler,
    CheckpointHandler,
    ContrastiveHandler,
    EarlyStopHandler,
    EpochSeedHandler,
    HistoryHandler,
    RebalancingHandler,
)
from bundle.losses import AdaptiveMarginContrastiveLoss, LabelDensity, RarityWeight
from bundle.modulation import BalanceModulator, ModalityBudgetAscent, OneSidedProjection
from tests.toy import adamw, toy_batches, toy_network, toy_trainer


class Eyes(Dataset):
    """16 eyes; noise of an access is a function of (epoch, index), as in `EyeDataset`."""

    def __init__(self) -> None:
        self.batch = toy_batches(1, size=16)[0]
        self.epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        self.epoch[0] = epoch

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(1000 * int(self.epoch) + index)
        item = {key: values[index] for key, values in self.batch.items()}
        return item | {"image": item["image"] + 0.1 * torch.randn(item["image"].shape, generator=generator)}


class Validation:
    """Stands for the ValidationHandler: `state.metrics` of an engine, each epoch, from the network or from a list."""

    def __init__(self, values: list[float] | None = None, interval: int = 1) -> None:
        self.values, self.interval = values, interval
        self.engine = Engine(lambda *_: None)
        self.batch = toy_batches(1, size=8, seed=9)[0]

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)

    def __call__(self, engine: Any) -> None:
        self.engine.state.epoch = engine.state.epoch
        regressor = engine.training_network.regressor
        regressor.eval()
        with torch.no_grad():
            mse: Tensor | float = (
                (regressor(self.batch["image"], self.batch["fundus"]) - self.batch["label"]).square().mean()
            )
        if self.values is not None:
            mse = self.values[engine.state.epoch - 1]
        self.engine.state.metrics = {"val_mse": float(mse)}


def training(
    folder: Path,
    max_epochs: int = 4,
    resume: str | None = None,
    num_workers: int = 0,
    values: list[float] | None = None,
    patience: int = 0,
    save_interval: int = 1,
    extra_handlers: Any = (),
    interval: int = 1,
    dim: int = 0,
    batch_size: int = 8,
) -> Any:
    """A trainer, not yet run.

    values: validation errors by epoch, instead of the network's; interval: epochs between validations; dim: further
    channels, for a network of another shape.
    """
    network, eyes = toy_network(norm="batch", dropout=0.2, channels=(4, 8 + dim)), Eyes()
    density = LabelDensity().fit(eyes.batch["label"])
    optimizer = adamw(network)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    validation = Validation(values, interval)
    handlers = [
        EpochSeedHandler(0, dataset=eyes),
        ContrastiveHandler(AdaptiveMarginContrastiveLoss(density=density), warmup_epochs=1, queue_size=12),
        RebalancingHandler(OneSidedProjection(), BalanceModulator()),
        validation,
        HistoryHandler(str(folder), validator=validation.engine),
        Scheduler(scheduler),
        BestModelHandler(str(folder), description={"version": "test"}),
        EarlyStopHandler(patience),
        *extra_handlers,
        CheckpointHandler(str(folder), resume, {"lr_scheduler": scheduler}, save_interval),
    ]
    return toy_trainer(
        network, DataLoader(eyes, batch_size, shuffle=True, num_workers=num_workers), optimizer, handlers,
        max_epochs=max_epochs, ascent=ModalityBudgetAscent(0.02), rho_warmup_epochs=1,
        ascent_weight=RarityWeight(density, 0.5),
    )  # fmt: skip


class Scheduler:
    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: self.scheduler.step())


def without_time(trainer: Any) -> list[dict[str, float]]:
    """The history's rows without their `seconds`."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in trainer.state.history.rows]
