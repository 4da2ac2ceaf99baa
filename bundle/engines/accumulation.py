"""Gradient accumulation that leaves each micro-batch its own ascent."""

from __future__ import annotations

import torch
from torch import Tensor


class GradientAccumulation:
    """Means over `steps` micro-batches; a step that is short at an epoch's end is a mean over those it has.

    Before a micro-batch the gradients of the earlier ones are put aside, so that its sharpness-aware ascent follows its
    own gradient (m-SAM); afterwards they are added. One micro-batch a step changes nothing.

    Attributes:
        ends_step: this micro-batch is the step's last.
        spoiled: a micro-batch of this step was not finite: the whole step is left out.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int) -> None:
        self.optimizer, self.steps = optimizer, steps
        self.ends_step, self.spoiled = True, False
        self._size = 1
        self._earlier: dict[Tensor, Tensor] = {}

    def start(self, iteration: int, epoch_length: int) -> None:
        """Begin the micro-batch of an iteration (1-based): gradients are None afterwards."""
        index = (iteration - 1) % epoch_length
        first = index % self.steps == 0
        self._size = min(self.steps, epoch_length - index // self.steps * self.steps)
        self.ends_step = (index + 1) % self.steps == 0 or index + 1 == epoch_length
        self.spoiled = self.spoiled and not first
        self._earlier = {} if first else {p: p.grad for p in self._parameters() if p.grad is not None}
        self.optimizer.zero_grad(set_to_none=True)

    def add(self) -> None:
        """Gradients become the step's so far; a parameter without any keeps None."""
        if self._size == 1:
            return
        for p in self._parameters():
            if p.grad is not None:
                p.grad.div_(self._size)
            if p in self._earlier:
                p.grad = self._earlier[p] if p.grad is None else self._earlier[p] + p.grad

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]
