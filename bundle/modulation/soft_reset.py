"""Moves a module part of the way back to its initial weights, and its optimiser with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def soft_reset(
    module: nn.Module, initial: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, share: float
) -> None:
    """theta <- a theta_init + (1 - a) theta, in place, with a = `share` in [0, 1].

    Parameters and floating-point buffers (statistics of a batch norm) alike. The optimiser's moments of these
    parameters are multiplied by 1 - a. Adam's count of steps t goes back to the t' at which its second moment has the
    weight that is left, 1 - beta_2^t' = (1 - a) (1 - beta_2^t): without that its bias correction would take the small
    second moment at face value and make the next steps up to six times as long.

    a = 1 gives the initial weights and a fresh optimiser, bit for bit; a = 0 changes no bit.

    Args:
        module: what is reset.
        initial: its `state_dict` at the start.
        optimizer: holds the module's parameters.
        share: a.
    """
    if share == 0:
        return
    for name, tensor in module.state_dict(keep_vars=True).items():
        if tensor.is_floating_point():
            tensor.copy_(share * initial[name].to(tensor) + (1 - share) * tensor)
    own = set(module.parameters())
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p in own and p in optimizer.state:
                _fade(optimizer.state[p], p, group.get("betas"), 1 - share)


def _fade(state: dict[str, Any], p: Tensor, betas: tuple[float, float] | None, keep: float) -> None:
    """One parameter's moments times `keep`, and its count of steps to match."""
    for name, value in state.items():
        if name != "step" and isinstance(value, Tensor) and value.shape == p.shape:
            value.mul_(keep)
    if "step" in state and betas is not None and 0 < betas[1] < 1:
        weight = keep * (1 - betas[1] ** float(state["step"]))
        step = round(math.log(1 - weight) / math.log(betas[1]))
        state["step"] = state["step"].fill_(step) if isinstance(state["step"], Tensor) else step
