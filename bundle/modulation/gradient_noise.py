"""Gaussian noise as large as the gradient's own spread."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def add_gradient_noise(params: Iterable[Tensor], scale: float, generator: torch.Generator) -> None:
    """g <- g + scale n,  n ~ N(0, std(g)^2) in every element; std(g) is that of one tensor, the sample's (n - 1).

    The noise of OGM-GE (Peng et al., CVPR 2022). The authors' code reaches the weights of two-dimensional convolutions
    alone; here every tensor of two or more axes counts as weights, so that three-dimensional convolutions and linear
    layers are among them. Biases and scales of norm layers, with one axis, get none, nor does a single number, which
    has no spread.

    Args:
        params: their `.grad` is changed in place; those without one are left alone.
        scale: >= 0; 0 changes nothing and draws nothing.
        generator: on the CPU, so that the draws are the same on every device.
    """
    if scale == 0:
        return
    for p in params:
        if p.grad is None or p.ndim < 2 or p.numel() < 2:
            continue
        noise = torch.randn(p.shape, generator=generator).to(p.grad)
        p.grad.add_(noise * p.grad.std(), alpha=scale)
