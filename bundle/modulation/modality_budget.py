"""An ascent step with a budget per modality."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bundle.losses.arguments import check_number
from bundle.modulation.ascent import Ascent
from bundle.modulation.scores import centred_log_sharpness


class ModalityBudgetAscent(Ascent):
    """A budget per modality (docs/method.md 3 i): the share of the fusion block first, the rest split by modality.

        a_phi = |g_phi| / |g|  or `fusion_share`
        a_m   = sqrt(1 - a_phi^2) b_m,   b_m ~ |g_m|^(1 - equalize) S_m^sharpness_power,   sum_m b_m^2 = 1

    |eps| = rho as long as any gradient is not zero: a modality without a gradient leaves its share to the others, and
    the fusion block takes or leaves all where only one side has a gradient.

    Args:
        rho: radius, >= 0.
        equalize: nu in [0, 1]; 0 is SAM, 1 gives the modalities equal budgets.
        sharpness_power: alpha_rho; positive sends more of the budget to the sharper modality.
        fusion_share: a_phi in [0, 1] fixed by hand; from the gradient norms when None.
        fusion: name of the fusion block; every other block is a modality.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(
        self,
        rho: float,
        *,
        equalize: float = 0.5,
        sharpness_power: float = 0.0,
        fusion_share: float | None = None,
        fusion: str = "fusion",
    ) -> None:
        super().__init__(rho)
        self.equalize = check_number("equalize", equalize, 0, 1)
        self.sharpness_power = check_number("sharpness_power", sharpness_power, -math.inf)
        self.fusion_share = None if fusion_share is None else check_number("fusion_share", fusion_share, 0, 1)
        self.fusion = fusion

    def shares(self, norms: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """a_phi and a_m."""
        shares = dict.fromkeys(norms, 0.0)
        fusion_norm = norms.get(self.fusion, 0.0)
        active = {m: norm for m, norm in norms.items() if m != self.fusion and norm != 0}
        if not active:
            return shares | {self.fusion: 1.0} if fusion_norm != 0 else shares
        log_sharpness = centred_log_sharpness(sharpness, list(active))
        raw = {
            m: norm ** (1 - self.equalize) * math.exp(self.sharpness_power * log_sharpness[m])
            for m, norm in active.items()
        }
        modality_norm = math.hypot(*active.values())
        if fusion_norm == 0:
            fusion_part, modality_part = 0.0, 1.0
        elif self.fusion_share is None:
            # The ratio, not sqrt(1 - a_phi^2): the difference loses its digits when the fusion head dominates.
            total = math.hypot(fusion_norm, modality_norm)
            fusion_part, modality_part = fusion_norm / total, modality_norm / total
        else:
            fusion_part, modality_part = self.fusion_share, math.sqrt(1 - self.fusion_share**2)
        raw_norm = math.hypot(*raw.values())
        shares |= {m: modality_part * value / raw_norm for m, value in raw.items()}
        return shares | {self.fusion: fusion_part} if self.fusion in norms else shares
