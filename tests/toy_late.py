"""The toy with late fusion, and a trainer of it that alternates between the modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import PrepareBatchExtraInput
from monai.engines.utils import IterationEvents
from torch import nn

from bundle.engines import AlternatingTrainer
from bundle.losses import BlendedRegressionLoss
from bundle.networks import AverageFusion, MDRegressor, TrainingNetwork
from tests.toy import MEAN_DB, SD_DB, adamw, toy_encoder, weights


def late_network(
    fusion: Callable[[int, int], nn.Module] = AverageFusion,
    shared_head: bool = False,
    probe_heads: bool = False,
    head_outputs: int = 1,
    **encoder: Any,
) -> TrainingNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        regressor = MDRegressor(
            toy_encoder("oct", **encoder), toy_encoder("fundus", **encoder), fusion, MEAN_DB, SD_DB,
            head_outputs=head_outputs, shared_head=shared_head,
        )  # fmt: skip
        return TrainingNetwork(regressor, projection_dim=6, probe_heads=probe_heads)


def alternating_trainer(
    network: TrainingNetwork,
    batches: Any,
    optimizer: torch.optim.Optimizer | None = None,
    handlers: Iterable[Any] = (),
    **kwargs: Any,
) -> AlternatingTrainer:
    """Every modality is trained as if it were alone."""
    settings: dict[str, Any] = {
        "max_epochs": 1,
        "loss_function": BlendedRegressionLoss(SD_DB, {"fused": 0.0, "oct": 1.0, "fundus": 1.0}),
        "prepare_batch": PrepareBatchExtraInput({"fundus": "fundus"}),
    }
    return AlternatingTrainer(
        device=torch.device("cpu"), train_data_loader=batches, network=network, decollate=False,
        optimizer=optimizer or adamw(network), train_handlers=list(handlers), **(settings | kwargs),
    )  # fmt: skip


class Steps:
    """The modality and the weights after every optimiser step, and whether it was skipped."""

    def __init__(self) -> None:
        self.modalities: list[str] = []
        self.weights: list[dict[str, torch.Tensor]] = []
        self.skipped: list[bool] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.modalities.append(engine.state.modality)
        self.weights.append(weights(engine.training_network.regressor))
        self.skipped.append(engine.state.output["skipped"])
