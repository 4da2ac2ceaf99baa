"""Adaptive sharpness-aware minimisation."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.modulation.ascent import Blocks, Gradients, Perturbation, SAMAscent


class ASAMAscent(SAMAscent):
    """Adaptive SAM (Kwon et al., ICML 2021): steps in proportion to the size of each weight.

        eps = rho T^2 g / |T g|,   T = |w| + eta for weights, 1 for tensors with one axis (biases, scales of norms)

    so the ascent does not change when one layer is multiplied by a number and the next divided by it (eta = 0). The
    length is rho in the norm |T^-1 eps|, and so the shares a_b = |T_b g_b| / |T g| are distances in that norm too.
    rho is about ten times that of SAM.

    The authors' code picks tensors by name and so scales the weights of norm layers as well; here they count with the
    biases.

    Args:
        rho: radius in the scaled norm, >= 0; 0.5 in the publication.
        eta: >= 0, keeps weights near 0 moving.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(self, rho: float, *, eta: float = 0.01) -> None:
        super().__init__(rho)
        self.eta = check_number("eta", eta, 0, high_open=True)

    def eps(
        self, params: Blocks, grads: Gradients, sharpness: Mapping[str, float]
    ) -> tuple[Perturbation, dict[str, float]]:
        """As in `Ascent.eps`; |eps| itself depends on the size of the weights."""
        scaled: dict[str, list[Tensor | None]] = {
            block: [None if g is None else self._size(p) * g for p, g in zip(tensors, grads[block], strict=True)]
            for block, tensors in params.items()
        }
        step, shares = super().eps(params, scaled, sharpness)
        eps: Perturbation = {
            block: [None if e is None else self._size(p) * e for p, e in zip(tensors, step[block], strict=True)]
            for block, tensors in params.items()
        }
        return eps, shares

    def _size(self, param: Tensor) -> Tensor | float:
        """T of one tensor."""
        return param.detach().abs() + self.eta if param.ndim > 1 else 1.0
