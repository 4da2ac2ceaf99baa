"""The projection of one gradient on another, over many tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bundle.modulation.ascent import gradient_norm


def coefficient(vectors: Sequence[Tensor | None], onto: Sequence[Tensor | None]) -> float:
    """c = <a, b> / |b|^2: c b is the projection of a on b, and a - c b lies across b.

    Args:
        vectors: the tensors of a; None counts as zero.
        onto: those of b, as many; None counts as zero.

    Returns:
        c, with sums over all tensors together, in float32 or better; 0 where b is zero.
    """
    square = gradient_norm(onto) ** 2
    if square == 0:
        return 0.0
    return sum(_product(a, b) for a, b in zip(vectors, onto, strict=True) if a is not None and b is not None) / square


def _product(a: Tensor, b: Tensor) -> float:
    wide = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    return float((a.to(wide) * b.to(wide)).sum())
