"""How the gradient of the fused loss and the gradient of the auxiliary losses become one."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from bundle.losses.arguments import check_number

W_MIN, W_MAX = 0.001, 0.999


class Combiner(ABC):
    """(u, v) -> g for vectors along the last dimension, row by row over leading dimensions.

    u is the gradient of the fused loss, v that of the auxiliary losses of the same modality. Pass both flattened for
    one decision over a whole batch or block, or as (B, C) for one decision per eye. The arithmetic is float32 or
    better; the result has the dtype of u. Where u or v is zero there is no conflict.
    """

    def __call__(self, u: Tensor, v: Tensor) -> Tensor:
        """g, the shape of u.

        Raises:
            ValueError: the shapes differ.
        """
        if u.shape != v.shape:
            raise ValueError(f"v: found shape {tuple(v.shape)}, expected that of u {tuple(u.shape)}")
        wide = torch.promote_types(u.dtype, torch.float32)
        return self.combine(u.to(wide), v.to(wide)).to(u.dtype)

    @abstractmethod
    def combine(self, u: Tensor, v: Tensor) -> Tensor:
        """g of two tensors of one shape, float32 or float64."""


class SumCombiner(Combiner):
    """g = u + v: ordinary back-propagation of the summed loss."""

    def combine(self, u: Tensor, v: Tensor) -> Tensor:
        """u + v."""
        return u + v


class OneSidedProjection(Combiner):
    """g = u + v - strength min(0, <u, v>) / |u|^2 u: the auxiliary losses never undo the fused one.

    With strength 1, <g, u> >= |u|^2. With strength 0 or without conflict, g = u + v.

    Args:
        strength: chi in [0, 1].

    Raises:
        InputError: `strength` is outside [0, 1].
    """

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = check_number("strength", strength, 0, 1)

    def combine(self, u: Tensor, v: Tensor) -> Tensor:
        """u + v without v's component against u."""
        return u + (v - self.strength * _conflict(u, v) * u)


class PCGrad(Combiner):
    """Projecting conflicting gradients (Yu et al., 2020), two tasks: each loses its component against the other.

    Symmetric, and for two tasks the random order of the original does not matter.
    """

    def combine(self, u: Tensor, v: Tensor) -> Tensor:
        """u + v, both projected where they conflict."""
        return (u - _conflict(v, u) * v) + (v - _conflict(u, v) * u)


class MinNorm(Combiner):
    """MMPareto (Wei and Hu, 2024): the sum without conflict, else the shortest convex combination at the sum's length.

        c = cos(u, v) > 0:  d = u + v
        c <= 0:             d = 2 w u + 2 (1 - w) v,   w = clamp( <v - u, v> / |u - v|^2, .001, .999 ),
                            lengthened to |u + v| where it is shorter
        g = scale d

    Without conflict it is therefore `scale` times the uniform sum. The authors' code lengthens per parameter tensor;
    here the vector that is passed in counts as one. Where u or v is zero, g = scale (u + v).

    Args:
        scale: factor >= 0 on the result, 1.5 in the publication; 1 to compare at an equal learning rate.

    Raises:
        InputError: `scale` is negative.
    """

    def __init__(self, scale: float = 1.5) -> None:
        self.scale = check_number("scale", scale, 0, high_open=True)

    def combine(self, u: Tensor, v: Tensor) -> Tensor:
        """`scale` times the sum, or times the lengthened min-norm direction where u and v conflict."""
        total = u + v
        difference = v - u
        squared = _dot(difference, difference)
        w = (_dot(difference, v) / torch.where(squared > 0, squared, 1.0)).clamp(W_MIN, W_MAX)
        direction = 2 * w * u + 2 * (1 - w) * v
        length, total_length = _norm(direction), _norm(total)
        longer = torch.where((length > 0) & (total_length > length), total_length / length, 1.0)
        conflict = (_dot(u, v) <= 0) & (_norm(u) > 0) & (_norm(v) > 0)
        return self.scale * torch.where(conflict, longer * direction, total)


def cosine(u: Tensor, v: Tensor) -> Tensor:
    """Cosine of u and v along the last dimension, which is dropped: in [-1, 1], 0 where either is zero."""
    wide = torch.promote_types(u.dtype, torch.float32)
    u, v = u.to(wide), v.to(wide)
    lengths = _norm(u) * _norm(v)
    return torch.where(lengths > 0, _dot(u, v) / lengths, 0.0).clamp(-1, 1).squeeze(-1)


def _conflict(u: Tensor, v: Tensor) -> Tensor:
    """min(0, <u, v>) / |u|^2, 0 where u is zero."""
    squared = _dot(u, u)
    return torch.where(squared > 0, _dot(u, v).clamp_max(0) / torch.where(squared > 0, squared, 1.0), 0.0)


def _dot(u: Tensor, v: Tensor) -> Tensor:
    return (u * v).sum(-1, keepdim=True)


def _norm(u: Tensor) -> Tensor:
    return torch.linalg.vector_norm(u, dim=-1, keepdim=True)
