"""Modulation of the update instead of the gradient."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch


@contextlib.contextmanager
def scaled_learning_rates(optimizer: torch.optim.Optimizer, factors: Mapping[str, float]) -> Iterator[None]:
    """lr <- lr k and weight_decay <- weight_decay / k for the groups named in `factors`, put back afterwards.

    Adam and AdamW divide a constant factor on the gradient out again; on the learning rate it acts. Dividing the
    decay keeps AdamW's own term, lr * weight_decay * w, as it was.

    Args:
        optimizer: its groups carry the name of their block under `block`.
        factors: block name -> k > 0; other groups keep theirs.
    """
    before = [(group["lr"], group.get("weight_decay")) for group in optimizer.param_groups]
    try:
        for group in optimizer.param_groups:
            k = factors.get(group.get("block", ""), 1.0)
            group["lr"] = group["lr"] * k
            if group.get("weight_decay"):
                group["weight_decay"] = group["weight_decay"] / k
        yield
    finally:
        for group, (lr, decay) in zip(optimizer.param_groups, before, strict=True):
            group["lr"] = lr
            if decay is not None:
                group["weight_decay"] = decay
