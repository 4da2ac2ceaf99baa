"""Diagnoses which encoder has memorised the training eyes, and lets it learn again."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.engines.distributed import mean_over_ranks
from bundle.losses.arguments import check_number
from bundle.metrics.ridge_probe import ridge_probe_r2
from bundle.modulation.soft_reset import soft_reset

logger = logging.getLogger(__name__)
Features = dict[str, tuple[np.ndarray, np.ndarray]]


class RelearningHandler:
    """theta_m <- a_m theta_m^init + (1 - a_m) theta_m for an encoder (Wei et al., ECCV 2024).

        P_m = | R2_train - R2_validation | of a ridge probe on the pooled features h_m,   a_m = tanh( strength P_m )

    R2 is cut to [0, 1], as the publication's purity of clusters is, so that a few validation eyes that a probe misses
    by far cannot reset an encoder. After the validation of epochs `every`, 2 `every`, ..., before the next epoch
    begins; never after the last one. Buffers and the optimiser's moments follow (`soft_reset`).

    theta_m^init is taken before the first step and is state: a resumed run has the original one.

    Args:
        train_data, validation_data: batches of eyes without augmentation, each read once a diagnosis.
        every: epochs between diagnoses, >= 1.
        strength: lambda >= 0, 3 in the authors' code; 0 changes nothing.
        penalty: of the probe's ridge, in eyes. Large on purpose: a probe that memorises the training eyes by itself has
            a wide gap on any features, also on those of an untrained encoder.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(
        self,
        train_data: Iterable[Any],
        validation_data: Iterable[Any],
        every: int = 20,
        strength: float = 3.0,
        penalty: float = 1000.0,
    ) -> None:
        self.data = {"train": train_data, "validation": validation_data}
        self.every = int(check_number("every", every, 1, high_open=True))
        self.strength = check_number("strength", strength, 0, high_open=True)
        self.penalty = check_number("penalty", penalty, 0, low_open=True, high_open=True)
        self.initial: dict[str, dict[str, Tensor]] = {}
        self.gap: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self.warn)
        engine.add_event_handler(Events.EPOCH_STARTED, self)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self.tell)

    def warn(self, engine: Any) -> None:
        """Say so when this training is too short for a diagnosis."""
        if self.every >= engine.state.max_epochs:
            logger.warning("re-learning: none in %d epochs, every is %d", engine.state.max_epochs, self.every)

    def __call__(self, engine: Any) -> None:
        network = engine.training_network
        if not self.initial:
            for name in network.modalities:
                state = network.encoder(name).state_dict()
                self.initial[name] = {key: tensor.detach().clone() for key, tensor in state.items()}
        epochs_done = engine.state.epoch - 1
        if epochs_done == 0 or epochs_done % self.every:
            return
        self.gap = self.diagnose(engine)
        for name, gap in self.gap.items():
            soft_reset(network.encoder(name), self.initial[name], engine.optimizer, math.tanh(self.strength * gap))

    def diagnose(self, engine: Any) -> dict[str, float]:
        """P_m; 0 for a modality whose probe has no R2."""
        with torch.random.fork_rng(devices=[]):  # a loader draws a seed
            train, validation = (self._features(engine, data) for data in self.data.values())
        gap = {}
        for name in train.keys() & validation.keys():
            both = np.array(ridge_probe_r2(*train[name], *validation[name], self.penalty)).clip(0, 1)
            gap[name] = float(abs(both[0] - both[1]))
        gap = mean_over_ranks({name: gap.get(name, math.nan) for name in self.initial}, engine.state.device)
        logger.info("re-learning after epoch %d: gap of R2 %s", engine.state.epoch - 1, gap)
        return {name: 0.0 if math.isnan(p) else p for name, p in gap.items()}

    @torch.no_grad()
    def _features(self, engine: Any, data: Iterable[Any]) -> Features:
        """Pooled features (N, C) and MD (N,) of the labelled eyes that have the modality."""
        network = engine.training_network
        network.eval()  # the trainer sets training mode before each step
        found: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for batch in data:
            image, label_B1, _, others = engine.prepare_batch(batch, engine.state.device, engine.non_blocking)
            for name in network.modalities:
                x = {"oct": image, **others}[name]
                seen_B = torch.logical_and(network.regressor.present(x), label_B1.flatten().isfinite())
                if bool(seen_B.any()):
                    pooled_BC = network.encoder(name)(x[seen_B]).mean(1)
                    found.setdefault(name, []).append((pooled_BC, label_B1[seen_B].flatten()))
        return {name: (_numpy(h for h, _ in parts), _numpy(y for _, y in parts)) for name, parts in found.items()}

    def tell(self, engine: Any) -> None:
        """The latest gaps, for the history."""
        engine.state.output["scalars"] |= {f"gap_{name}": gap for name, gap in self.gap.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"initial": {name: dict(part) for name, part in self.initial.items()}, "gap": dict(self.gap)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.initial = {name: dict(part) for name, part in state["initial"].items()}
        self.gap = {name: float(gap) for name, gap in state["gap"].items()}


def _numpy(parts: Iterable[Tensor]) -> np.ndarray:
    return torch.cat(list(parts)).double().cpu().numpy()
