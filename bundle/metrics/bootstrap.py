"""Percentile intervals by resampling patients, not eyes.

Both eyes of a patient (and repeated visits) resemble each other, so eyes are not independent draws. Patients are:
each resample draws as many patients as there are, with replacement, and keeps all eyes of each (cluster bootstrap;
Field and Welsh, JRSS-B 2007). Predictions of several training seeds for the same eyes may be given together, shape
(seeds, eyes): the metric is averaged over the seeds within each resample, and the interval then speaks of the eyes,
not of the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bundle.metrics.arrays import FloatArray, IntArray, paired_db
from bundle.metrics.names import named_metric
from bundle.metrics.regression import MetricFunction
from bundle.metrics.weighted import WEIGHTED_METRICS

RESAMPLES_A_BLOCK = 250  # bounds memory: 250 x 10,000 eyes x 8 bytes = 20 MB
Metric = str | MetricFunction
How = Literal["difference", "ratio"]


@dataclass(frozen=True)
class Interval:
    """A figure and the limits of its confidence interval, in the figure's unit; NaN limits mean "not estimable"."""

    value: float
    low: float
    high: float

    def format(self, digits: int = 2) -> str:
        """`12.34 [11.20, 13.50]`, or the value alone when the limits are NaN."""
        text = f"{self.value:.{digits}f}"
        return text if np.isnan(self.low) else f"{text} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def resampled_counts(patient: ArrayLike, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """How often each eye is drawn, in blocks of shape (resamples, eyes) that add up to `n_resamples` rows."""
    _, cluster = np.unique(np.asarray(patient), return_inverse=True)
    n_clusters = int(cluster.max()) + 1
    generator = np.random.default_rng(seed)
    for start in range(0, n_resamples, RESAMPLES_A_BLOCK):
        size = min(RESAMPLES_A_BLOCK, n_resamples - start)
        drawn = generator.integers(n_clusters, size=(size, n_clusters))
        drawn += n_clusters * np.arange(size)[:, None]  # one bincount for the block: a range of bins for each resample
        counts = np.bincount(drawn.ravel(), minlength=size * n_clusters).reshape(size, n_clusters)
        yield counts[:, cluster].astype(np.float64)


def _one_seed(metric: Metric, pred: FloatArray, label: FloatArray, counts: FloatArray) -> FloatArray:
    """The metric on each resample; a function is called once a resample with the drawn eyes written out."""
    if isinstance(metric, str):
        return WEIGHTED_METRICS[metric](pred, label, counts)
    eyes: list[IntArray] = [np.repeat(np.arange(label.size), row.astype(np.int64)) for row in counts]
    return np.array([metric(pred[drawn], label[drawn]) for drawn in eyes])


def _seeds_by_eyes(pred_db: ArrayLike, label_db: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Predictions as (seeds, eyes) and labels as (eyes,), both checked."""
    pairs = [paired_db(pred, label_db) for pred in np.atleast_2d(np.asarray(pred_db, dtype=np.float64))]
    return np.stack([pred for pred, _ in pairs]), pairs[0][1]


def _interval(
    statistic: Callable[[FloatArray], FloatArray], patient: ArrayLike, n: int, n_resamples: int, confidence: float,
    seed: int,
) -> Interval:  # fmt: skip
    cluster = np.asarray(patient)
    if cluster.shape != (n,):
        raise ValueError(f"patient: found shape {cluster.shape}, expected one patient index for each of {n} eyes")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: found {confidence}, expected a share between 0 and 1, such as 0.95")
    if n == 0:
        return Interval(nan, nan, nan)
    value = float(statistic(np.ones((1, n)))[0])
    if np.unique(cluster).size < 2:
        return Interval(value, nan, nan)
    draws = np.concatenate([statistic(counts) for counts in resampled_counts(cluster, n_resamples, seed)])
    draws = draws[np.isfinite(draws)]
    if draws.size == 0:
        return Interval(value, nan, nan)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def bootstrap_ci(
    metric: Metric, pred_db: ArrayLike, label_db: ArrayLike, patient: ArrayLike, *,
    n_resamples: int = 2000, confidence: float = 0.95, seed: int = 0,
) -> Interval:  # fmt: skip
    """A metric and its patient-cluster percentile interval.

    Args:
        metric: a name of `bundle.metrics.METRICS` (fast), or any function of (pred_db, label_db) that returns a float.
        pred_db: (eyes,) or (seeds, eyes), dB.
        label_db: (eyes,), dB.
        patient: (eyes,), an anonymous integer a patient.

    A resample on which the metric is undefined (NaN) is left out. No eyes: all NaN. A single patient: NaN limits.

    Raises:
        InputError: an unknown metric name.
        ValueError: shapes that differ, or values that are not finite.
    """
    if isinstance(metric, str):
        named_metric(metric)
    pred, label = _seeds_by_eyes(pred_db, label_db)

    def statistic(counts: FloatArray) -> FloatArray:
        return np.mean([_one_seed(metric, row, label, counts) for row in pred], axis=0)

    return _interval(statistic, patient, label.size, n_resamples, confidence, seed)


def bootstrap_comparison(
    metric: Metric, pred_db: ArrayLike, reference_db: ArrayLike, label_db: ArrayLike, patient: ArrayLike, *,
    how: How = "difference", n_resamples: int = 2000, confidence: float = 0.95, seed: int = 0,
) -> Interval:  # fmt: skip
    """metric(pred) - metric(reference), or their ratio, with a paired patient-cluster interval.

    Paired: both sets of predictions are measured on the same drawn patients, so what makes an eye hard for both
    cancels. Arguments, special values and errors are `bootstrap_ci`'s; each set is averaged over its own seeds before
    the two are compared, and a ratio with a reference of 0 is NaN.
    """
    if how not in ("difference", "ratio"):
        raise ValueError(f"how: found '{how}', expected 'difference' or 'ratio'")
    if isinstance(metric, str):
        named_metric(metric)
    pred, label = _seeds_by_eyes(pred_db, label_db)
    reference, _ = _seeds_by_eyes(reference_db, label_db)

    def statistic(counts: FloatArray) -> FloatArray:
        ours = np.mean([_one_seed(metric, row, label, counts) for row in pred], axis=0)
        theirs = np.mean([_one_seed(metric, row, label, counts) for row in reference], axis=0)
        if how == "difference":
            return ours - theirs
        return np.divide(ours, theirs, out=np.full(ours.shape, np.nan), where=theirs != 0)

    return _interval(statistic, patient, label.size, n_resamples, confidence, seed)
