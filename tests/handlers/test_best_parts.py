"""Each modality's encoder and head from its own best epoch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from torch import Tensor

from bundle.deploy.model_folder import load_model
from bundle.handlers import BestPartsHandler, CheckpointHandler, EpochSeedHandler, HistoryHandler
from bundle.losses import BlendedRegressionLoss
from bundle.networks import AverageFusion, MDRegressor, TrainingNetwork
from tests.toy import MEAN_DB, SD_DB, largest_difference, toy_batches, toy_encoder, toy_trainer, weights

METRICS = {"oct": "val_oct_mse", "fundus": "val_fundus_mse"}
OCT_BEST_2, FUNDUS_BEST_3 = [9.0, 5.0, 6.0, 7.0], [8.0, 7.0, 3.0, 3.0]


class Validation:
    """The columns of the history that a validation would give."""

    def __init__(self, oct_mse: list[float], fundus_mse: list[float]) -> None:
        self.engine, self.values = Engine(lambda *_: None), {"val_oct_mse": oct_mse, "val_fundus_mse": fundus_mse}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        self.engine.state.epoch = engine.state.epoch
        self.engine.state.metrics = {name: column[engine.state.epoch - 1] for name, column in self.values.items()}


class Snapshots:
    """The regressor's weights at each epoch's end."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Tensor]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.taken.append(weights(engine.training_network.regressor))


def training(
    folder: Path, epochs: int = 4, oct_mse: Any = OCT_BEST_2, fundus_mse: Any = FUNDUS_BEST_3, resume: str | None = None
) -> list[dict[str, Tensor]]:
    """Trains two modalities apart and returns the weights of each epoch."""
    regressor = MDRegressor(
        lambda: toy_encoder("oct"), lambda: toy_encoder("fundus"), AverageFusion, MEAN_DB, SD_DB, seed=0
    )
    validation, snapshots = Validation(oct_mse, fundus_mse), Snapshots()
    handlers = [
        EpochSeedHandler(0), snapshots, validation, HistoryHandler(str(folder), validation.engine),
        BestPartsHandler(str(folder), METRICS, {"version": "test"}), CheckpointHandler(str(folder), resume),
    ]  # fmt: skip
    toy_trainer(
        TrainingNetwork(regressor, 6, seed=0), toy_batches(2), handlers=handlers, max_epochs=epochs,
        loss_function=BlendedRegressionLoss(SD_DB, {"oct": 1.0, "fundus": 1.0}),
    ).run()  # fmt: skip
    return snapshots.taken


def part(state: dict[str, Tensor], modality: str) -> dict[str, Tensor]:
    return {
        name: value for name, value in state.items() if name.startswith((f"{modality}_encoder", f"{modality}_head"))
    }


def test_the_model_is_put_together_from_different_epochs(tmp_path: Path) -> None:
    epochs = training(tmp_path)
    network, description = load_model(tmp_path)
    saved = network.state_dict()
    assert largest_difference(part(saved, "oct"), part(epochs[1], "oct")) == 0.0
    assert largest_difference(part(saved, "fundus"), part(epochs[2], "fundus")) == 0.0
    assert largest_difference(part(saved, "oct"), part(epochs[2], "oct")) > 1e-6
    assert description["version"] == "test"
    assert description["selection"] == {
        "oct": {"epoch": 2, "val_oct_mse": 5.0}, "fundus": {"epoch": 3, "val_fundus_mse": 3.0},
    }  # fmt: skip


def test_an_epoch_without_a_figure_is_not_chosen(tmp_path: Path) -> None:
    epochs = training(tmp_path, oct_mse=[math.nan, 5.0, math.nan, 6.0], fundus_mse=[math.nan] * 4)
    network, description = load_model(tmp_path)
    assert description["selection"] == {"oct": {"epoch": 2, "val_oct_mse": 5.0}}
    assert largest_difference(part(network.state_dict(), "oct"), part(epochs[1], "oct")) == 0.0


def test_a_resumed_training_chooses_like_one_that_never_stopped(tmp_path: Path) -> None:
    training(tmp_path / "never")
    training(tmp_path / "stopped", epochs=2)
    training(tmp_path / "stopped", resume=str(tmp_path / "stopped"))
    (never, why), (stopped, why_stopped) = (load_model(tmp_path / name) for name in ("never", "stopped"))
    assert largest_difference(never, stopped) == 0.0
    assert why["selection"] == why_stopped["selection"]


def test_in_another_folder_the_earlier_best_parts_come_from_the_checkpoint(tmp_path: Path) -> None:
    """The file of the earlier best epochs is not there, but their weights are."""
    values: dict[str, Any] = {"oct_mse": [1.0, 2.0, 3.0], "fundus_mse": [2.0, 1.0, 3.0]}
    training(tmp_path / "a", epochs=2, **values)
    training(tmp_path / "b", epochs=3, resume=str(tmp_path / "a"), **values)
    assert largest_difference(*(part(load_model(tmp_path / name)[0].state_dict(), "oct") for name in "ab")) == 0.0
    assert load_model(tmp_path / "b")[1]["selection"] == load_model(tmp_path / "a")[1]["selection"]


def test_a_failed_write_keeps_the_old_model_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training(tmp_path, epochs=1)
    old = {name: (tmp_path / name).read_bytes() for name in ("model.pt", "model.json")}

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    network = load_model(tmp_path)[0]
    monkeypatch.setattr("os.fsync", full_disk)
    handler, engine = BestPartsHandler(str(tmp_path), METRICS), Engine(lambda *_: None)
    stub: Any = engine
    stub.training_network = TrainingNetwork(network, 6)
    stub.state.history = type("Rows", (), {"rows": [{"val_oct_mse": 0.1, "val_fundus_mse": 0.1}]})
    stub.state.epoch = 2
    with pytest.raises(OSError, match="No space"):
        handler(stub)
    assert {name: (tmp_path / name).read_bytes() for name in old} == old
    assert not list(tmp_path.glob("*.tmp*"))


def test_the_network_in_training_is_not_touched(tmp_path: Path) -> None:
    """Its weights go on from the newest epoch, not from the best parts."""
    epochs = training(tmp_path / "a", epochs=3)
    other = training(tmp_path / "b", epochs=3, oct_mse=[1.0, 2.0, 3.0], fundus_mse=[1.0, 2.0, 3.0])
    assert largest_difference(epochs[2], other[2]) == 0.0
    assert torch.equal(epochs[2]["oct_head.weight"], other[2]["oct_head.weight"])
