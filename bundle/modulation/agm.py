"""Adaptive gradient modulation: factors on each modality's share of the output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bundle.errors import InputError
from bundle.losses.arguments import check_number

MOST_AHEAD = 10.0  # cap of the difference of ratios, as published
LARGEST_EXPONENT = 50.0


class AdaptiveModulation:
    """Slows down the modality that is further ahead than it usually is (AGM, Li et al., ICCV 2023).

        r_m = exp( mean of the others' s - s_m ),   r*_m = exp( mean of the others' S - S_m )
        kappa_m = exp( alpha min(r*_m - r_m, 10) )

    s_m is the batch's negative log-likelihood of modality m's share, S_m its mean over all batches so far, the present
    one included, so that kappa is 1 in the first step.

    Args:
        alpha: >= 0; 0 modulates nothing.

    Raises:
        InputError: `alpha` is negative.

    Example:
        >>> agm = AdaptiveModulation(alpha=1.0)
        >>> agm.coefficients({"oct": 0.5, "fundus": 0.5})
        {'oct': 1.0, 'fundus': 1.0}
        >>> {m: round(k, 3) for m, k in agm.coefficients({"oct": 0.1, "fundus": 0.5}).items()}
        {'oct': 0.763, 'fundus': 1.16}
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = check_number("alpha", alpha, 0, high_open=True)
        self._sums: dict[str, float] = {}
        self._batches = 0

    def coefficients(self, nll: Mapping[str, float]) -> dict[str, float]:
        """kappa_m >= 0 of a batch, whose s_m join the means. 1 for all where an s_m is not finite or stands alone."""
        if len(nll) < 2 or not all(math.isfinite(s) for s in nll.values()):
            return dict.fromkeys(nll, 1.0)
        self._batches += 1
        self._sums = {m: self._sums.get(m, 0.0) + s for m, s in nll.items()}
        mean = {m: total / self._batches for m, total in self._sums.items()}
        return {m: math.exp(self.alpha * min(_ratio(mean, m) - _ratio(nll, m), MOST_AHEAD)) for m in nll}

    def state_dict(self) -> dict[str, Any]:
        """Sums of s_m and the number of batches."""
        return {"sums": dict(self._sums), "batches": self._batches}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from stored sums.

        Raises:
            InputError: the state is not one of this class.
        """
        if not {"sums", "batches"} <= set(state):
            raise InputError(f"AdaptiveModulation: found the keys {sorted(state)}, expected 'batches' and 'sums'")
        self._sums = {str(m): float(total) for m, total in state["sums"].items()}
        self._batches = int(state["batches"])


def _ratio(scores: Mapping[str, float], modality: str) -> float:
    others = [s for m, s in scores.items() if m != modality]
    return math.exp(min(math.fsum(others) / len(others) - scores[modality], LARGEST_EXPONENT))
