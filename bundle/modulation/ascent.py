"""Where the sharpness-aware ascent step goes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bundle.losses.arguments import check_number

Blocks = Mapping[str, Sequence[Tensor]]
Gradients = Mapping[str, Sequence[Tensor | None]]
Perturbation = dict[str, list[Tensor | None]]


class Ascent(ABC):
    """Turns the gradient blocks of pass 1 into a perturbation eps of the weights, |eps| = rho.

        eps_b = rho a_b g_b / |g_b|,   sum_b a_b^2 = 1

    A rule differs from another in the shares a_b of the budget: it overrides `shares`. One that also changes the
    gradient of the second pass overrides `finish`.

    Attributes:
        rho: radius of the perturbation; may be changed between steps (warm-up). 0 perturbs nothing.
    """

    def __init__(self, rho: float) -> None:
        self.rho = check_number("rho", rho, 0, high_open=True)

    @abstractmethod
    def shares(self, norms: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """a_b of every block from the gradient norms |g_b|; squares sum to 1 unless every norm is 0."""

    def eps(
        self, params: Blocks, grads: Gradients, sharpness: Mapping[str, float]
    ) -> tuple[Perturbation, dict[str, float]]:
        """Perturbation of every parameter, and the share a_b of every block.

        Args:
            params: block name -> its parameters ("oct", "fundus", ..., "fusion").
            grads: the same structure; None where pass 1 gave a parameter no gradient.
            sharpness: modality -> S_m; may lack a modality that was not measured yet.

        Returns:
            eps, the structure of `params`, in each parameter's dtype and on its device: None means "leave this
            parameter alone" (no gradient, share 0, or rho 0). And a_b: 0 for a block without a gradient.
            Norms are taken in float32 or better. A gradient that is not finite gives shares that
            are NaN in every block: skip the step.
        """
        norms = {block: gradient_norm(grads[block]) for block in params}
        finite = all(math.isfinite(norm) for norm in norms.values())
        shares = self.shares(norms, sharpness) if finite else dict.fromkeys(norms, math.nan)
        eps: Perturbation = {}
        for block, tensors in params.items():
            step = self.rho * shares[block]
            scale = step / norms[block] if norms[block] != 0 else 0.0
            eps[block] = [_scaled(g, scale, p) for p, g in zip(tensors, grads[block], strict=True)]
        return eps, shares

    def finish(self, params: Blocks, first: Gradients) -> bool:
        """Change the gradients of pass 2 in place, in `.grad`; called with the weights restored.

        Args:
            params: block name -> its parameters, with the gradient at w + eps in `.grad`.
            first: the gradients at w, the structure of `params`.

        Returns:
            Whether anything was changed. Here: nothing, the step follows the gradient at w + eps.
        """
        return False


class NoAscent(Ascent):
    """No perturbation: one pass is enough, and the shares are 0."""

    def __init__(self) -> None:
        super().__init__(rho=0.0)

    def shares(self, norms: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """Zeros."""
        return dict.fromkeys(norms, 0.0)


class SAMAscent(Ascent):
    """Sharpness-aware minimisation (Foret et al., 2021): eps = rho g / |g|, so a_b = |g_b| / |g|.

    With density weights in the loss of both passes it is BSAM.

    Args:
        rho: radius, >= 0.
    """

    def shares(self, norms: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """|g_b| / |g|."""
        total = math.hypot(*norms.values())
        return {block: norm / total if total != 0 else 0.0 for block, norm in norms.items()}


def gradient_norm(grads: Sequence[Tensor | None]) -> float:
    """Euclidean norm over all tensors of a block, in float32 or better; 0 where all are None."""
    norms = [
        torch.linalg.vector_norm(g, dtype=torch.promote_types(g.dtype, torch.float32)) for g in grads if g is not None
    ]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0


def _scaled(gradient: Tensor | None, scale: float, param: Tensor) -> Tensor | None:
    if gradient is None or scale == 0:
        return None
    wide = torch.promote_types(gradient.dtype, torch.float32)
    return (gradient.detach().to(wide) * scale).to(param)
