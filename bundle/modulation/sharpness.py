"""How much each modality's own loss rises under the perturbation of its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bundle.modulation.ema import Ema

LOSS_FLOOR = 1e-3


def relative_sharpness(
    loss_before: Mapping[str, float],
    loss_after: Mapping[str, float],
    shares: Mapping[str, float],
    rho: float,
    floor: float = LOSS_FLOOR,
) -> dict[str, float]:
    """S_m = max(0, l_m(w + eps) - l_m(w)) / ( rho a_m (l_m(w) + floor) ), the relative rise per unit of distance.

    l_m depends on its own modality's block alone, so both losses come from the two passes that are made anyway. They
    must use the same sample weights and the same dropout masks.

    Args:
        loss_before, loss_after: modality -> l_m at w and at w + eps, in units of the label variance.
        shares: block -> a_b of the ascent.
        rho: radius of the ascent.
        floor: keeps the ratio finite for a loss near 0.

    Returns:
        S_m >= 0 of every modality of `loss_before`; NaN where it has no meaning: a loss is absent or not finite,
        or the modality was not perturbed.
    """
    sharpness: dict[str, float] = {}
    for m, before in loss_before.items():
        after = loss_after.get(m, math.nan)
        distance = rho * shares.get(m, 0.0)
        defined = math.isfinite(before) and math.isfinite(after) and distance > 0
        sharpness[m] = max(0.0, after - before) / (distance * (before + floor)) if defined else math.nan
    return sharpness


class SharpnessMeter(Ema):
    """Running mean of `relative_sharpness`; a modality without a measurement keeps its mean.

    Args:
        decay: mu in [0, 1).
    """

    def measure(
        self,
        loss_before: Mapping[str, float],
        loss_after: Mapping[str, float],
        shares: Mapping[str, float],
        rho: float,
    ) -> dict[str, float]:
        """Take in the losses of one step; returns the running means S_m."""
        return self.update(relative_sharpness(loss_before, loss_after, shares, rho))
