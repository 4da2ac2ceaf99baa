"""Sharpness-aware minimisation that also closes the surrogate gap."""

from __future__ import annotations

import torch

from bundle.losses.arguments import check_number
from bundle.modulation.ascent import Blocks, Gradients, SAMAscent
from bundle.modulation.projection import coefficient


class GSAMAscent(SAMAscent):
    """Surrogate gap guided SAM (GSAM, Zhuang et al., ICLR 2022): SAM's ascent, and in the descent

        g_p <- g_p - alpha ( g - <g, g_p> / |g_p|^2 g_p )

    g is the gradient at w and g_p that at w + eps. A step along the part of g across g_p lowers the surrogate gap
    L(w + eps) - L(w) and, to first order, leaves L(w + eps) as it is. Norms and products are over all blocks together,
    as published. A parameter without a gradient in the second pass stays without one.

    The publication makes rho proportional to the learning rate: see `RhoScheduleHandler`.

    Args:
        rho: radius, >= 0.
        alpha: >= 0; 0 is SAM, bit for bit.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(self, rho: float, *, alpha: float = 0.4) -> None:
        super().__init__(rho)
        self.alpha = check_number("alpha", alpha, 0, high_open=True)

    @torch.no_grad()
    def finish(self, params: Blocks, first: Gradients) -> bool:
        """Subtract alpha times the part of g across g_p from g_p; False where alpha is 0."""
        if self.alpha == 0:
            return False
        tensors = [p for block in params.values() for p in block]
        plain = [g for name in params for g in first[name]]
        along = coefficient(plain, [p.grad for p in tensors])
        for p, g in zip(tensors, plain, strict=True):
            if p.grad is not None:
                p.grad.mul_(1 + self.alpha * along)
                if g is not None:
                    p.grad.sub_(g, alpha=self.alpha)
        return True
