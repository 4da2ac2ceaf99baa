"""Prediction intervals with a stated coverage, from eyes that trained no weight (split conformal prediction)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bundle.errors import InputError
from bundle.metrics.arrays import FloatArray, IntArray, paired_db

FOLDS = 5
LEAST_SHARE = 0.25  # of the mean error: an eye without loss has at least that much of it


@dataclass(frozen=True)
class PredictionInterval:
    """Where the measured MD of a new eye lies with probability `level`, about a prediction.

        s = 1 + slope max(0, -pred)
        [pred - lower s, pred + upper s],   cut off at the ends of `range_db`

    Attributes:
        level: wanted share of eyes inside, for example 0.9; half of the others is meant to lie on each side.
        lower_db, upper_db: how far the limits are from a predicted MD of 0 dB or better, 0 or more, dB.
        slope: how much farther, relative to that, with each dB of predicted loss, 1/dB.
        range_db: lowest and highest MD there is, dB.
    """

    level: float
    lower_db: float
    upper_db: float
    slope: float
    range_db: tuple[float, float]

    def limits_db(self, pred_db: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Lower and upper limit of each prediction, in its shape; NaN where it is NaN. dB."""
        pred = np.asarray(pred_db, np.float64)
        spread = 1.0 + self.slope * np.maximum(0.0, -pred)
        low, high = self.range_db
        return np.clip(pred - self.lower_db * spread, low, high), np.clip(pred + self.upper_db * spread, low, high)


def patients_needed(level: float) -> int:
    """For a finite interval: (1 + level) / (1 - level), so 19 for 0.9."""
    return math.ceil((1 + level) / (1 - level) - 1e-9)


def fit_prediction_interval(
    pred_db: ArrayLike, label_db: ArrayLike, patient: ArrayLike, level: float, range_db: tuple[float, float]
) -> PredictionInterval | None:
    """Split conformal prediction with a spread that grows with the predicted loss (docs/method.md, 5).

        |y - yhat| ~ a + b max(0, -yhat),   slope = b / a,   s(yhat) = 1 + slope max(0, -yhat)
        upper = the (1 + level) / 2 quantile of (y_i - yhat_i) / s(yhat_i), lower that of (yhat_i - y_i) / s(yhat_i),
                over patients and one more at infinity; neither below 0

    Lei et al., JASA 2018, section 5.2, for the scaled residual; one quantile a side, as networks underestimate severe
    loss more often than they overestimate it. The slope that scales an eye's residual is fitted without its patient's
    fold. Both eyes of a patient resemble each other, so each patient, not each eye, has the weight 1 / (patients + 1),
    as in Dunn, Wasserman and Ramdas, JASA 2023 (pooled distribution functions).

    Args:
        pred_db, label_db: (eyes,), dB, of eyes that trained no weight, such as the validation split.
        patient: (eyes,), an integer a patient.
        level: share of eyes that is to be inside, above 0 and below 1.
        range_db: see `PredictionInterval`.

    Returns:
        None where there are fewer than `patients_needed(level)` patients.

    Raises:
        InputError: `level` is outside its range.
        ValueError: different lengths, or values that are not finite.
    """
    if not 0 < level < 1:
        raise InputError(f"level: found {level!r}, expected a share between 0 and 1, such as 0.9")
    pred, label = paired_db(pred_db, label_db)
    depth, residual = np.maximum(0.0, -pred), label - pred
    _, number, eyes_of = np.unique(np.asarray(patient), return_inverse=True, return_counts=True)
    if eyes_of.size < patients_needed(level):
        return None
    scaled = residual / (1.0 + _slopes_of_others(depth, residual, number) * depth)
    lower, upper = (_quantile(side * scaled, number, eyes_of, (1 + level) / 2) for side in (-1, 1))
    return PredictionInterval(level, max(0.0, lower), max(0.0, upper), _slope(depth, residual), range_db)


def _slopes_of_others(depth: FloatArray, residual: FloatArray, number: IntArray) -> FloatArray:
    """The slope for each eye, (eyes,), fitted on the patients of the other folds."""
    slopes = np.empty_like(depth)
    for fold in range(FOLDS):
        here = number % FOLDS == fold
        slopes[here] = _slope(depth[~here], residual[~here])
    return slopes


def _slope(depth: FloatArray, residual: FloatArray) -> float:
    """b / a of the least-squares line a + b depth through |residual|, b >= 0 and a not near 0; 0 without errors."""
    size, moved = np.abs(residual), depth - depth.mean()
    if not size.any() or not moved.any():
        return 0.0
    b = max(0.0, float(moved @ size / (moved @ moved)))
    mean = float(size.mean())
    return b / max(mean - b * float(depth.mean()), LEAST_SHARE * mean)


def _quantile(scores: FloatArray, number: IntArray, eyes_of: IntArray, level: float) -> float:
    """The smallest score that patients of total weight `level` reach; there are enough of them."""
    order = np.argsort(scores)
    weight = (1.0 / (eyes_of[number] * (eyes_of.size + 1.0)))[order]
    return float(scores[order][np.searchsorted(np.cumsum(weight), level - 1e-12)])
