"""Unimodal errors as likelihood scores, the regression stand-in for the probability of the true class."""

from __future__ import annotations

import math
from collections.abc import Mapping

SCORE_FLOOR = 1e-12
FACTOR_FLOOR = 1e-3


def likelihood_scores(error: Mapping[str, float]) -> dict[str, float]:
    """s_m = exp(-e_m / 2), relative to the best modality, whose score is 1.

    Methods for classification compare the mean softmax probability of the true class. With the Gaussian likelihood
    p_i = exp( -(yhat_i - y_i)^2 / (2 Var y) ) of a regression, s_m is the geometric mean of p_i over the eyes: the
    running mean e_m of l_m / Var(y) is all that is kept, and exp(-e_m / 2) <= mean_i p_i. Only ratios of scores are
    used, so dividing all of them by the largest keeps them away from 0 in the first steps, when errors are large.

    Args:
        error: modality -> e_m >= 0. One that is not finite gets no score.

    Returns:
        Scores in [1e-12, 1].

    Example:
        >>> {m: round(s, 3) for m, s in likelihood_scores({"oct": 1.0, "fundus": 3.0}).items()}
        {'oct': 1.0, 'fundus': 0.368}
    """
    finite = {m: e for m, e in error.items() if math.isfinite(e)}
    best = min(finite.values(), default=0.0)
    return {m: max(math.exp((best - e) / 2), SCORE_FLOOR) for m, e in finite.items()}


def others_mean(scores: Mapping[str, float], modality: str) -> float | None:
    """Mean score of the modalities but one; None where `modality` has no score or no company."""
    others = [s for m, s in scores.items() if m != modality]
    return math.fsum(others) / len(others) if others and modality in scores else None
