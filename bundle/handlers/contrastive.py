"""Adds the contrastive term of every modality to the loss."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.engines.distributed import gather_rows
from bundle.losses.queue import FeatureQueue

PROJECTION = "z_"


class ContrastiveHandler:
    """loss <- loss + gamma_t * sum_m C_m at LOSS_COMPLETED, in both passes of a sharpness-aware step.

    gamma_t rises linearly from 0 in epoch 1 to `weight` after `warmup_epochs`. Each modality has a FIFO queue of
    past (z, md_db) as further keys; the batch joins it once a step, with its unperturbed features (the first pass).
    With several processes, each sees the projections of all, with gradients.

    Args:
        loss: a representation loss, called as loss(z (N, dim), md_db (N,), z_queue, md_queue_db) -> scalar.
        weight: gamma. 0 detaches the handler: training is then bit-identical to training without it.
        warmup_epochs: epochs of the linear rise.
        queue_size: entries a modality, 0 for none.
    """

    def __init__(
        self,
        loss: torch.nn.Module,
        weight: float = 0.2,
        warmup_epochs: int = 3,
        queue_size: int = 256,
    ) -> None:
        if weight < 0:
            raise ValueError(f"ContrastiveHandler: weight (gamma) is {weight}; expected 0 or more")
        self.loss, self.weight, self.warmup_epochs, self.queue_size = loss, weight, warmup_epochs, queue_size
        self.queues: dict[str, FeatureQueue] = {}
        self._pending: dict[str, tuple[Tensor, Tensor]] = {}

    def attach(self, engine: Engine) -> None:
        if self.weight == 0:
            return
        engine.add_event_handler(Events.STARTED, self._to_device)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.add_term)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self.enqueue)

    def _to_device(self, engine: Engine) -> None:
        self.loss.to(engine.state.device)

    def weight_at(self, epoch: int) -> float:
        """gamma_t of an epoch (1-based)."""
        return self.weight if self.warmup_epochs == 0 else self.weight * min(1.0, (epoch - 1) / self.warmup_epochs)

    def add_term(self, engine: Engine) -> None:
        """Add gamma_t * C_m to `loss` and to the auxiliary loss of its modality."""
        weight = self.weight_at(engine.state.epoch)
        output = engine.state.output
        label_B = output["label"].flatten()
        for name in output["outputs"]["features"]:
            z_BC = output["outputs"][f"{PROJECTION}{name}"]
            present_B = torch.logical_not(z_BC.isnan().any(dim=1))
            z_NC, md_N = gather_rows(z_BC[present_B], label_B[present_B])
            if engine.state.sam_pass == "first":
                self._pending[name] = (z_NC.detach(), md_N.detach())
            if weight == 0:
                continue
            if not bool(z_NC.isfinite().all()):
                # a diverged network: let the trainer see it, skip the step and name the eyes
                output["loss"] = output["loss"] + z_NC.sum()
                continue
            queue = self._queue(name, z_NC)
            term = self.loss(z_NC, md_N, queue.z, queue.md_db)
            output["loss"] = output["loss"] + weight * term
            output["aux_losses"][name] = output["aux_losses"][name] + weight * term
            output["scalars"][f"contrast_{name}"] = float(term.detach())

    def enqueue(self, engine: Engine) -> None:
        """The batch's first-pass projections join the queues, unless the step was skipped."""
        for name, (z_NC, md_N) in self._pending.items():
            if not engine.state.output["skipped"]:
                self._queue(name, z_NC).enqueue(z_NC, md_N)
        self._pending.clear()

    def _queue(self, name: str, z_NC: Tensor) -> FeatureQueue:
        if name not in self.queues:
            self.queues[name] = FeatureQueue(self.queue_size, z_NC.shape[1])
        return self.queues[name].to(z_NC.device)

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss.state_dict(), "queues": {name: q.state_dict() for name, q in self.queues.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss.load_state_dict(state["loss"])
        for name, saved in state["queues"].items():
            queue = FeatureQueue(self.queue_size, saved["z"].shape[1])
            queue.load_state_dict(saved)
            self.queues[name] = queue
