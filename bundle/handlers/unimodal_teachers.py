"""Distillation from unimodal teachers, which are trained before the network itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.engines.distributed import world_size
from bundle.engines.unimodal_training import images_and_label, pooled_features, train_unimodal
from bundle.errors import InputError
from bundle.handlers.checkpoint import RngState
from bundle.handlers.epoch_seed import EpochSeedHandler
from bundle.losses.arguments import check_number
from bundle.modulation import rng_snapshot


class UnimodalTeachersHandler:
    """loss <- loss + lambda sum_m mean ||h_m - h_m^T||^2, in both passes of a sharpness-aware step.

    h_m are the encoder's pooled features, h_m^T those of a teacher, the mean is over eyes that have m and over channels
    (UMT, Du et al., ICML 2023). Before the first epoch the teachers are trained: copies of the network's initial
    encoders and heads, each by its own squared error (`train_unimodal`), with a copy of the run's optimiser, on the
    run's own data, seeded as the run's own epochs are. Then they are frozen, in evaluation mode. The network's training
    meets the same random numbers as without them. They are part of the checkpoint: a resumed run does not train them
    again.

    Args:
        epochs: of the teachers' training, 1 or more.
        weight: lambda. 0 detaches the handler: no teachers, and training is bit-identical to training without it.
        seed, dataset, sampler: as in `EpochSeedHandler`.

    History: `distillation_m`, and the teachers' passes are among the first epoch's `gradient_passes`.

    Raises:
        InputError: an argument is outside its range, or (start of training) the modalities share a head, or there are
            several processes: each would train teachers of its own on its share of the eyes.
    """

    def __init__(
        self, epochs: int, weight: float = 1.0, seed: int = 0, dataset: Any = None, sampler: Any = None
    ) -> None:
        if isinstance(epochs, bool) or epochs != int(epochs) or epochs < 1:
            raise InputError(f"epochs: found {epochs!r}, expected a whole number, 1 or more")
        self.epochs, self.weight = int(epochs), check_number("weight", weight, 0, high_open=True)
        self.seeds = EpochSeedHandler(seed, dataset, sampler)
        self.teachers: Any = None
        self._stored: dict[str, Tensor] = {}
        self._targets: dict[str, Tensor] = {}
        self._uncounted_passes = 0

    def attach(self, engine: Engine) -> None:
        if self.weight == 0:
            return
        engine.add_event_handler(Events.STARTED, self.check)
        # not at STARTED: a checkpoint, which may hold the teachers, is loaded there
        engine.add_event_handler(Events.EPOCH_STARTED, self.prepare)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.add_term)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self.count)

    def check(self, engine: Engine) -> None:
        """Refuse several processes."""
        if world_size() > 1:
            raise InputError(
                f"UnimodalTeachersHandler: found {world_size()} processes, expected one; train on one device"
            )

    def prepare(self, engine: Any) -> None:
        """Make the teachers, from the checkpoint or by training, unless they are there."""
        if self.teachers is not None:
            return
        # copied together, so that the copied optimiser holds the copied weights
        teachers, optimizer = copy.deepcopy((engine.training_network.regressor, engine.optimizer))
        if self._stored:
            teachers.load_state_dict(self._stored)
        else:
            if teachers.shared_head:
                raise InputError("UnimodalTeachersHandler: found shared_head: true, expected a head for each modality")
            with same_random_numbers(engine.state.device):
                train_unimodal(teachers, optimizer, engine, self.epochs, [self.seeds])
            for part in self.seeds.listeners:
                part.set_epoch(engine.state.epoch)
            self._uncounted_passes = self.epochs * engine.state.epoch_length
        self.teachers, self._stored = teachers.eval().requires_grad_(False), {}

    def add_term(self, engine: Any) -> None:
        """Add lambda times the distance to the teachers to `loss` and to each modality's auxiliary loss."""
        output = engine.state.output
        if engine.state.sam_pass == "first":
            self._targets = self._features(engine)
        for name, kinds in output["outputs"]["features"].items():
            present_B = torch.logical_not(output["outputs"][f"pred_{name}"].isnan().flatten())
            if not bool(present_B.any()):
                continue
            h_BC = kinds["aux"].mean(1).float()
            term = (h_BC[present_B] - self._targets[name][present_B]).square().mean()
            output["loss"] = output["loss"] + self.weight * term
            output["aux_losses"][name] = output["aux_losses"][name] + self.weight * term
            output["scalars"][f"distillation_{name}"] = float(term.detach())

    @torch.no_grad()
    def _features(self, engine: Any) -> dict[str, Tensor]:
        """The teachers' pooled features (B, C) of this batch; 0 where the image is missing."""
        images, _ = images_and_label(engine, engine.state.batch)
        with torch.autocast(engine.state.device.type, torch.bfloat16, enabled=engine.bf16):
            return {name: pooled_features(self.teachers, name, x)[0].float() for name, x in images.items()}

    def count(self, engine: Any) -> None:
        """The teachers' passes join those of the first step, so that the epoch's mean accounts for them."""
        scalars = engine.state.output["scalars"]
        scalars["gradient_passes"] = scalars.get("gradient_passes", 0.0) + self._uncounted_passes
        self._uncounted_passes = 0

    def state_dict(self) -> dict[str, Any]:
        return {"teachers": self._stored if self.teachers is None else self.teachers.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.teachers, self._stored = None, dict(state["teachers"])


@contextmanager
def same_random_numbers(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, the generators of torch, NumPy and Python go on as if nothing had been."""
    generators, on_device = RngState(), rng_snapshot(device)
    before = generators.state_dict()
    try:
        yield
    finally:
        generators.load_state_dict(before)
        on_device.apply()
