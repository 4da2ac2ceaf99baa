"""Multiple-gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.modulation.combiner import Combiner


class MGDA(Combiner):
    """The shortest convex combination of both gradients (Desideri, 2012; Sener and Koltun, 2018), two tasks.

        g = scale (w u + (1 - w) v),   w = clamp( <v - u, v> / |u - v|^2, 0, 1 )

    Descends both losses, or is 0 where none descends both. Unlike `MinNorm` it also acts where u and v agree: a much
    shorter gradient is then the whole answer. Where u or v is zero, one of the losses has nothing to say in this
    batch, and g = scale / 2 (u + v) instead of 0.

    Args:
        scale: factor >= 0 on the result. 1 is as published; with 2 equal gradients give u + v, the length that the
            learning rate of the plain sum is tuned for.

    Raises:
        InputError: `scale` is negative.
    """

    def __init__(self, scale: float = 2.0) -> None:
        self.scale = check_number("scale", scale, 0, high_open=True)

    def combine(self, u: Tensor, v: Tensor) -> Tensor:
        """`scale` times the min-norm point of the segment between u and v."""
        difference = v - u
        squared = (difference * difference).sum(-1, keepdim=True)
        weight = (difference * v).sum(-1, keepdim=True) / torch.where(squared > 0, squared, 1.0)
        shortest = weight.clamp(0, 1) * u + (1 - weight.clamp(0, 1)) * v
        both = (u != 0).any(-1, keepdim=True) & (v != 0).any(-1, keepdim=True)
        return self.scale * torch.where(both, shortest, (u + v) / 2)
