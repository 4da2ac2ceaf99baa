"""Conflict-averse gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.modulation.combiner import Combiner


class CAGrad(Combiner):
    """Near the mean gradient, the direction that helps the worse-off loss most (Liu et al., 2021), two tasks.

        g = scale d,   d = argmax min(<d, u>, <d, v>)  subject to  |d - g0| <= c |g0|,   g0 = (u + v) / 2

    The dual has one unknown: with g_w = w u + (1 - w) v, w in [0, 1] minimises <g_w, g0> + c |g0| |g_w|, and
    d = g0 + c |g0| g_w / |g_w|. Along the line |g_w|^2 = (t^2 + D) / A with t = A w + B, A = |u - v|^2,
    B = <u - v, v>, D = A |v|^2 - B^2 >= 0, so with the slope s = <u - v, g0> and r = c |g0| the derivative vanishes at

        t = -s sqrt( D / (r^2 A - s^2) )   if r^2 A > s^2, else w is the end where the first term is smaller;

    the objective is convex, so clamping w to [0, 1] is exact. Where u or v is zero, or they cancel (g0 = 0):
    g = scale g0.

    Args:
        c: radius, in [0, 1); 0 is the plain mean. 0.4 to 0.5 in the publication.
        scale: factor >= 0 on the result. 1 is as published, before its optional division by 1 + c^2 or 1 + c; with 2
            and c = 0 the result is u + v.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(self, c: float = 0.4, scale: float = 2.0) -> None:
        self.c = check_number("c", c, 0, 1, high_open=True)
        self.scale = check_number("scale", scale, 0, high_open=True)

    def combine(self, u: Tensor, v: Tensor) -> Tensor:
        """`scale` times d."""
        mean = (u + v) / 2
        radius = self.c * _norm(mean)
        weight = self._weight(u, v, mean, radius)
        mixture = weight * u + (1 - weight) * v
        length = _norm(mixture)
        one_is_zero = (_norm(u) == 0) | (_norm(v) == 0)
        step = torch.where((length > 0) & ~one_is_zero, radius / torch.where(length > 0, length, 1.0), 0.0)
        return self.scale * (mean + step * mixture)

    @staticmethod
    def _weight(u: Tensor, v: Tensor, mean: Tensor, radius: Tensor) -> Tensor:
        """w that minimises the dual, by row."""
        difference = u - v
        a, b, slope = _dot(difference, difference), _dot(difference, v), _dot(difference, mean)
        room = radius**2 * a - slope**2
        spread = (a * _dot(v, v) - b**2).clamp_min(0)
        inside = -slope * torch.sqrt(spread / torch.where(room > 0, room, 1.0))
        weight = torch.where(room > 0, (inside - b) / torch.where(a > 0, a, 1.0), (slope < 0).to(u.dtype))
        return torch.where(a > 0, weight, 0.5).clamp(0, 1)


def _dot(u: Tensor, v: Tensor) -> Tensor:
    return (u * v).sum(-1, keepdim=True)


def _norm(u: Tensor) -> Tensor:
    return torch.linalg.vector_norm(u, dim=-1, keepdim=True)
