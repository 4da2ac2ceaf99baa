"""Prediction intervals: the order statistics they are, how they treat patients and loss, and what they cover."""

import math
from typing import Any

import numpy as np
import pytest

from bundle.errors import InputError
from bundle.metrics import PredictionInterval, fit_prediction_interval, patients_needed

RANGE_DB = (-35.0, 5.0)


def fit(pred: Any, label: Any, patient: Any = None, level: float = 0.9) -> PredictionInterval:
    found = fit_prediction_interval(pred, label, np.arange(len(pred)) if patient is None else patient, level, RANGE_DB)
    assert found is not None
    return found


def eyes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions from 0 to -20 dB; errors of SD 1 dB at MD 0 and 3 dB at -20, towards loss more than away from it."""
    rng = np.random.default_rng(seed)
    pred = -20 * rng.random(n)
    return pred, pred + (1 - rng.exponential(size=n)) * (1 - pred / 10)


@pytest.mark.parametrize(("n", "level"), [(19, 0.9), (20, 0.9), (57, 0.9), (100, 0.8), (39, 0.95), (200, 0.5)])
def test_without_loss_limits_are_order_statistics_of_the_residuals(n: int, level: float) -> None:
    """Split conformal prediction: the ceil((n + 1) (1 + level) / 2)-th of n on each side."""
    residual = np.random.default_rng(n).normal(size=n)
    found = fit(np.full(n, 1.0), 1.0 + residual, level=level)
    rank = math.ceil(round((n + 1) * (1 + level) / 2, 9)) - 1
    assert found.upper_db == pytest.approx(np.sort(residual)[rank])
    assert found.lower_db == pytest.approx(np.sort(-residual)[rank])
    assert found.slope == 0


@pytest.mark.parametrize(("level", "needed"), [(0.9, 19), (0.95, 39), (0.8, 9), (0.5, 3)])
def test_patients_needed_for_a_finite_interval(level: float, needed: int) -> None:
    assert patients_needed(level) == needed
    assert fit(np.ones(needed), np.zeros(needed), level=level).lower_db == 1
    few = needed - 1
    assert fit_prediction_interval(np.ones(few), np.zeros(few), np.arange(few), level, RANGE_DB) is None
    many, of_few = np.ones(50 * few), np.arange(50 * few) % few
    assert fit_prediction_interval(many, 0 * many, of_few, level, RANGE_DB) is None


def test_a_patient_counts_once_however_often_examined() -> None:
    pred, label = eyes(60)
    pred, label = pred + 25, label + 25  # no loss: one width, so that only the weights matter
    times = np.where(label < np.median(label), 5, 1)
    patient = np.repeat(np.arange(60), times)
    once = fit(pred, label)
    often = fit(np.repeat(pred, times), np.repeat(label, times), patient)
    assert (often.lower_db, often.upper_db) == pytest.approx((once.lower_db, once.upper_db))
    by_eyes = fit(np.repeat(pred, times), np.repeat(label, times))
    assert by_eyes.lower_db > once.lower_db + 0.1


def test_errors_on_a_line_give_that_line() -> None:
    pred = -np.arange(1.0, 81.0) / 4
    found = fit(pred, pred + np.where(np.arange(80) % 2, 1.0, -1.0) * (2.0 - 0.3 * pred))
    assert (found.lower_db, found.upper_db, found.slope) == pytest.approx((2.0, 2.0, 0.15), rel=1e-9)


def test_errors_that_shrink_with_loss_give_one_width() -> None:
    pred = -np.arange(1.0, 41.0) / 2
    assert fit(pred, pred + 12.0 + 0.3 * pred).slope == 0


def test_errors_of_severe_eyes_alone_give_no_endless_slope() -> None:
    pred = -np.arange(0.0, 40.0) / 2
    found = fit(pred, pred - np.where(pred < -15, 8.0, 0.0))
    assert 0 < found.slope < 10
    assert found.lower_db > 0


def test_answers_that_are_all_right_give_no_width() -> None:
    found = fit(np.linspace(-20, 0, 30), np.linspace(-20, 0, 30))
    assert (found.lower_db, found.upper_db, found.slope) == (0, 0, 0)


def test_a_mirrored_error_mirrors_the_interval() -> None:
    pred, label = eyes(60)
    found, mirrored = fit(pred, label), fit(pred, 2 * pred - label)
    assert (found.lower_db, found.upper_db) == pytest.approx((mirrored.upper_db, mirrored.lower_db))
    assert found.lower_db > 1.5 * found.upper_db


def test_an_answer_that_is_always_too_low_still_lies_inside() -> None:
    found = fit(np.full(30, -6.0), np.linspace(-5.0, -3.0, 30))
    assert found.lower_db == 0
    assert found.upper_db > 0


def test_limits_are_about_the_prediction_and_end_where_md_does() -> None:
    interval = PredictionInterval(0.9, lower_db=2.0, upper_db=1.0, slope=0.125, range_db=RANGE_DB)
    low, high = interval.limits_db([4.5, 1.0, 0.0, -8.0, -33.0, math.nan])
    np.testing.assert_allclose(low, [2.5, -1.0, -2.0, -12.0, -35.0, math.nan])
    np.testing.assert_allclose(high, [5.0, 2.0, 1.0, -6.0, -27.875, math.nan])


def coverage(level: float, n: int, depth: tuple[float, float] = (0, 20), fits: int = 300) -> np.ndarray:
    """Mean over many validation splits of the share of new eyes below, inside and above, in a band of predictions."""
    found = []
    for seed in range(fits):
        interval = fit(*eyes(n, seed), level=level)
        pred, label = eyes(2000, 10_000 + seed)
        low, high = interval.limits_db(pred)
        here = (-pred >= depth[0]) & (-pred <= depth[1])
        below, above = (label < low)[here].mean(), (label > high)[here].mean()
        found.append((below, 1 - below - above, above))
    return np.mean(found, axis=0)


@pytest.mark.parametrize(("level", "n"), [(0.9, 30), (0.9, 150), (0.8, 60)])
def test_new_eyes_are_inside_as_often_as_promised_and_outside_alike_on_both_sides(level: float, n: int) -> None:
    below, inside, above = coverage(level, n)
    assert level - 0.012 < inside < level + 2 / (n + 1) + 0.012
    assert max(below, above) < (1 - level) / 2 + 0.012


def test_eyes_with_and_without_loss_are_covered_alike() -> None:
    near, far = coverage(0.9, 150, (0, 5)), coverage(0.9, 150, (15, 20))
    assert abs(near[1] - far[1]) < 0.04


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(InputError, match="level"):
        fit(np.ones(30), np.zeros(30), level=level)


def test_unequal_lengths_and_missing_values_are_refused() -> None:
    with pytest.raises(ValueError, match="pred_db has 3 eyes"):
        fit([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        fit([1.0, math.nan], [1.0, 2.0])
