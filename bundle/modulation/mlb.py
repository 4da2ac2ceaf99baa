"""Multi-loss gradient modulation."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bundle.losses.arguments import check_number
from bundle.modulation.likelihood import FACTOR_FLOOR, likelihood_scores, others_mean
from bundle.modulation.modulator import Modulator


class MLBModulator(Modulator):
    """Slows down the modality ahead and speeds up the one behind (Kontras et al., BMVC 2024).

        r_m = mean of the others' s / s_m
        k_m = 1 + (beta - 1) tanh( alpha (r_m - 1) ) where r_m > 1,  1 + tanh( alpha (r_m - 1) ) elsewhere

    s_m is the likelihood score exp(-e_m / 2). Continuous, 1 at balance. Meant for training with the unimodal losses,
    L = l_mm + sum_m l_m, whose heads are then part of their modality's block. A modality that was not measured, or
    that is alone, keeps 1.

    Args:
        alpha: slope >= 0; 0 modulates nothing.
        beta: bound on the acceleration, >= 1; 1 never accelerates.

    k_m is at least 1e-3, where a large alpha would take it to 0.

    Raises:
        InputError: an argument is outside its range.

    Example:
        >>> k = MLBModulator(alpha=1.0, beta=2.0).coefficients({"oct": 0.2, "fundus": 0.8}, {})
        >>> {m: round(v, 3) for m, v in k.items()}
        {'oct': 0.746, 'fundus': 1.336}
    """

    def __init__(self, *, alpha: float = 1.0, beta: float = 2.0) -> None:
        self.alpha = check_number("alpha", alpha, 0, high_open=True)
        self.beta = check_number("beta", beta, 1, high_open=True)

    def coefficients(self, error: Mapping[str, float], sharpness: Mapping[str, float]) -> dict[str, float]:
        """k_m in [1e-3, beta]."""
        scores = likelihood_scores(error)
        return {m: self._factor(scores, m) for m in error}

    def _factor(self, scores: Mapping[str, float], modality: str) -> float:
        others = others_mean(scores, modality)
        if others is None:
            return 1.0
        bend = math.tanh(self.alpha * (others / scores[modality] - 1))
        return max(1 + ((self.beta - 1) if bend > 0 else 1.0) * bend, FACTOR_FLOOR)
