"""On-the-fly gradient modulation."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bundle.losses.arguments import check_number
from bundle.modulation.likelihood import FACTOR_FLOOR, likelihood_scores, others_mean
from bundle.modulation.modulator import Modulator


class OGMModulator(Modulator):
    """Slows down the modality that is ahead (OGM, Peng et al., CVPR 2022), without the noise of OGM-GE.

        rho_m = s_m / mean of the others' s,   k_m = 1 - tanh(alpha rho_m) if rho_m > 1, else 1

    s_m is the likelihood score exp(-e_m / 2). The publication sums softmax probabilities over a batch; the running
    mean is steadier at the small batches of 3-D volumes. As published, k_m jumps from 1 to 1 - tanh(alpha) where the
    modalities are level. A modality that was not measured, or that is alone, keeps 1.

    Args:
        alpha: >= 0; 0 modulates nothing. 0.1 to 0.8 in the publication.

    k_m is at least 1e-3, where the formula would round to 0: a learning rate of 0 has no defined decay.

    Raises:
        InputError: `alpha` is negative.

    Example:
        >>> k = OGMModulator(alpha=0.5).coefficients({"oct": 0.2, "fundus": 0.8}, {})
        >>> {m: round(v, 3) for m, v in k.items()}
        {'oct': 0.412, 'fundus': 1.0}
    """

    def __init__(self, *, alpha: float = 0.3) -> None:
        self.alpha = check_number("alpha", alpha, 0, high_open=True)

    def coefficients(self, error: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """k_m in [1e-3, 1]."""
        scores = likelihood_scores(error)
        return {m: self._factor(scores, m) for m in error}

    def _factor(self, scores: Mapping[str, float], modality: str) -> float:
        others = others_mean(scores, modality)
        if others is None or scores[modality] <= others:
            return 1.0
        return max(1 - math.tanh(self.alpha * scores[modality] / others), FACTOR_FLOOR)
