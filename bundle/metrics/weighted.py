"""The metrics with a weight for each eye, for many sets of weights at once.

A bootstrap resample is a weight: how often each eye was drawn. All metrics here are functions of weighted means, so
2,000 resamples are a handful of matrix products rather than 2,000 calls.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bundle.metrics.arrays import FloatArray
from bundle.metrics.stages import STAGES, stage_index

WeightedMetric = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
# A variance below this share of the largest squared deviation is rounding, not spread.
ROUNDING = 1e-12


def _mean(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted mean of (n,) values for each of (resamples, n) weights; NaN where the weights add up to 0."""
    total = weight.sum(axis=1)
    return np.divide(weight @ values, total, out=np.full(total.shape, np.nan), where=total > 0)


def _variance(values: FloatArray, weight: FloatArray) -> FloatArray:
    centred = values - values.mean()  # the spread is small against the offset: centre before squaring
    variance = _mean(centred**2, weight) - _mean(centred, weight) ** 2
    variance[variance <= ROUNDING * np.max(centred**2, initial=0.0)] = 0.0
    return variance


def _covariance(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    pred, label = pred - pred.mean(), label - label.mean()
    return _mean(pred * label, weight) - _mean(pred, weight) * _mean(label, weight)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Numerator / denominator, NaN where the denominator is 0 or NaN."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def _mse(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    return _mean((pred - label) ** 2, weight)


def _rmse(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    return np.sqrt(_mse(pred, label, weight))


def _mae(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    return _mean(np.abs(pred - label), weight)


def _bias(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    return _mean(pred - label, weight)


def _r2(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    return 1.0 - _ratio(_mse(pred, label, weight), _variance(label, weight))


def _pearson(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    return _ratio(_covariance(pred, label, weight), np.sqrt(_variance(pred, weight) * _variance(label, weight)))


def _ccc(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    spread = _variance(label, weight)
    scale = _variance(pred, weight) + spread + _bias(pred, label, weight) ** 2
    return _ratio(2.0 * _covariance(pred, label, weight), np.where(spread > 0, scale, np.nan))


def _balanced_mse(pred: FloatArray, label: FloatArray, weight: FloatArray) -> FloatArray:
    index = stage_index(label)
    by_stage = np.stack([_mse(pred, label, weight * (index == stage)) for stage in range(len(STAGES))])
    present = np.isfinite(by_stage).sum(axis=0)
    return _ratio(np.nansum(by_stage, axis=0), present.astype(np.float64))


WEIGHTED_METRICS: dict[str, WeightedMetric] = {
    "mse": _mse, "rmse": _rmse, "mae": _mae, "bias": _bias, "r2": _r2, "pearson": _pearson, "ccc": _ccc,
    "balanced_mse": _balanced_mse,
}  # fmt: skip
