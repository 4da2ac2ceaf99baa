"""Agreement of predicted and measured Mean Deviation, one function a figure.

Every function takes two 1-D sequences of one length, in dB, and returns a plain float. They share their special
values: no eyes gives NaN; a NaN or infinite prediction or label is a ValueError, never skipped, so that a diverged
network cannot hide behind the eyes it still answers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike

from bundle.metrics.arrays import FloatArray, paired_db

MetricFunction = Callable[[ArrayLike, ArrayLike], float]


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else nan


def _is_constant(values: FloatArray) -> bool:
    return values.size == 0 or float(np.ptp(values)) == 0.0


def mse(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """Mean squared error, dB^2.

    >>> mse([-1.0, -5.0], [-2.0, -8.0])
    5.0
    """
    pred, label = paired_db(pred_db, label_db)
    return _mean((pred - label) ** 2)


def rmse(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """Root of the mean squared error over all eyes, dB (not the mean of each eye's root, which is the MAE)."""
    return sqrt(mse(pred_db, label_db))


def mae(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """Mean absolute error, dB."""
    pred, label = paired_db(pred_db, label_db)
    return _mean(np.abs(pred - label))


def bias(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """mean(pred - label), dB: positive when the network calls fields healthier than they are."""
    pred, label = paired_db(pred_db, label_db)
    return _mean(pred - label)


def r2(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """Coefficient of determination, 1 - MSE / Var(label), with the variance of these very eyes.

    0 for their mean, negative for worse than that. NaN where all labels are equal (so for a single eye).
    """
    pred, label = paired_db(pred_db, label_db)
    if _is_constant(label):
        return nan
    return 1.0 - _mean((pred - label) ** 2) / float(label.var())


def pearson(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """Pearson's correlation. NaN where the predictions or the labels are all equal."""
    pred, label = paired_db(pred_db, label_db)
    if _is_constant(pred) or _is_constant(label):
        return nan
    pred, label = pred - pred.mean(), label - label.mean()
    return float(pred @ label / (np.linalg.norm(pred) * np.linalg.norm(label)))


def ccc(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """Lin's concordance correlation (Biometrics 1989): 2 cov / (var_pred + var_label + (mean_pred - mean_label)^2).

    Moments are divided by n. 0 for a constant prediction; NaN where all labels are equal.
    """
    pred, label = paired_db(pred_db, label_db)
    if _is_constant(label):
        return nan
    covariance = _mean((pred - pred.mean()) * (label - label.mean()))
    return 2.0 * covariance / (float(pred.var()) + float(label.var()) + (_mean(pred) - _mean(label)) ** 2)


REGRESSION_METRICS: dict[str, MetricFunction] = {
    "mse": mse, "rmse": rmse, "mae": mae, "bias": bias, "r2": r2, "pearson": pearson, "ccc": ccc,
}  # fmt: skip


def regression_metrics(pred_db: ArrayLike, label_db: ArrayLike) -> dict[str, float]:
    """All of them by name, in the order mse, rmse, mae, bias, r2, pearson, ccc.

    >>> regression_metrics([-1.0, -5.0], [-2.0, -8.0])["bias"]
    2.0
    """
    return {name: metric(pred_db, label_db) for name, metric in REGRESSION_METRICS.items()}
