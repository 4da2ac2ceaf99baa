import math
import time

import numpy as np
import pytest

from bundle.errors import InputError
from bundle.metrics import METRICS, Interval, bias, bootstrap_ci, bootstrap_comparison
from bundle.metrics.bootstrap import resampled_counts

Z = 1.959964


def width(interval: Interval) -> float:
    return interval.high - interval.low


@pytest.fixture
def eyes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    label = -generator.gamma(1.0, 6.0, 400)
    return label + generator.normal(0.3, 2, 400), label, np.arange(400)


def test_a_mean_has_the_closed_form_standard_error(eyes) -> None:
    pred, label, patient = eyes
    found = bootstrap_ci("bias", pred, label, patient, n_resamples=8000)
    error = pred - label
    half = Z * error.std() / math.sqrt(400)
    assert found.value == pytest.approx(error.mean())
    assert found.low == pytest.approx(error.mean() - half, abs=0.04 * half)
    assert found.high == pytest.approx(error.mean() + half, abs=0.04 * half)


def test_confidence_sets_the_width(eyes) -> None:
    ratio = width(bootstrap_ci("bias", *eyes, confidence=0.6827)) / width(bootstrap_ci("bias", *eyes))
    assert ratio == pytest.approx(1 / Z, rel=0.06)


def test_duplicated_eyes_narrow_the_interval_only_if_the_patient_is_ignored(eyes) -> None:
    pred, label, patient = eyes
    twice = [np.tile(values, 2) for values in (pred, label, patient)]
    once = width(bootstrap_ci("mse", pred, label, patient))
    assert width(bootstrap_ci("mse", *twice)) == pytest.approx(once, rel=1e-9)
    assert width(bootstrap_ci("mse", twice[0], twice[1], np.arange(800))) == pytest.approx(
        once / math.sqrt(2), rel=0.07
    )


@pytest.mark.parametrize("name", list(METRICS))
def test_the_fast_path_equals_calling_the_metric_on_each_resample(name, eyes) -> None:
    pred, label, patient = (values[:80] for values in eyes)
    patient = patient // 2
    fast = bootstrap_ci(name, pred, label, patient, n_resamples=300, seed=4)
    slow = bootstrap_ci(METRICS[name], pred, label, patient, n_resamples=300, seed=4)
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high), rel=1e-9)


def test_every_resample_draws_whole_patients_and_as_many_as_there_are() -> None:
    patient = np.array([7, 7, 3, 9, 9, 9])
    counts = np.concatenate(list(resampled_counts(patient, 600, seed=0)))
    assert counts.shape == (600, 6)
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 3:] == counts[:, 3:4]).all()
    assert (counts[:, [0, 2, 3]].sum(axis=1) == 3).all()
    np.testing.assert_allclose(counts[:, [0, 2, 3]].mean(axis=0), 1.0, atol=0.12)


def test_the_seed_decides(eyes) -> None:
    first, again, other = (bootstrap_ci("mse", *eyes, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_coverage_of_a_known_mse_is_near_nominal() -> None:
    generator = np.random.default_rng(8)
    hits = 0
    for seed in range(200):
        error = np.repeat(generator.normal(0, 2, 60), 2) + generator.normal(0, 1, 120)
        found = bootstrap_ci("mse", error, np.zeros(120), np.repeat(np.arange(60), 2), n_resamples=400, seed=seed)
        hits += found.low <= 5.0 <= found.high
    assert 0.88 <= hits / 200 <= 0.98  # percentile intervals of 60 patients fall a little short of 0.95


def test_a_paired_difference_is_narrower_than_two_separate_intervals(eyes) -> None:
    pred, label, patient = eyes
    other = pred + np.random.default_rng(1).normal(0, 0.2, 400)
    paired = bootstrap_comparison("mse", other, pred, label, patient)
    assert paired.value == pytest.approx(np.mean((other - label) ** 2) - np.mean((pred - label) ** 2))
    assert width(paired) < 0.5 * width(bootstrap_ci("mse", pred, label, patient))


def test_a_method_against_itself_is_no_different(eyes) -> None:
    pred, label, patient = eyes
    assert bootstrap_comparison("mae", pred, pred, label, patient) == Interval(0, 0, 0)
    assert bootstrap_comparison("mae", pred, pred, label, patient, how="ratio") == Interval(1, 1, 1)


def test_difference_of_biases_has_the_closed_form_of_a_paired_mean(eyes) -> None:
    pred, label, patient = eyes
    other = pred + np.random.default_rng(1).normal(0.5, 1, 400)
    found = bootstrap_comparison("bias", other, pred, label, patient, n_resamples=8000)
    assert width(found) == pytest.approx(2 * Z * (other - pred).std() / 20, rel=0.04)


def test_doubling_the_errors_quadruples_the_mse_on_every_resample(eyes) -> None:
    pred, label, patient = eyes
    found = bootstrap_comparison("mse", label + 2 * (pred - label), pred, label, patient, how="ratio")
    assert (found.value, found.low, found.high) == pytest.approx((4, 4, 4))


def test_seeds_are_averaged_within_each_resample(eyes) -> None:
    pred, label, patient = eyes
    seeds = np.stack([pred, pred + 1.0])
    found = bootstrap_ci("bias", seeds, label, patient)
    single = bootstrap_ci("bias", pred, label, patient)
    assert (found.value, found.low, found.high) == pytest.approx(
        (single.value + 0.5, single.low + 0.5, single.high + 0.5)
    )


def test_a_single_patient_has_no_interval() -> None:
    found = bootstrap_ci("mse", [0.0, 0.0], [1.0, 2.0], [5, 5])
    assert found.value == 2.5
    assert math.isnan(found.low)
    assert found.format() == "2.50"


def test_two_patients_have_one() -> None:
    found = bootstrap_ci("mse", [0.0, 0.0], [1.0, 2.0], [5, 6])
    assert (found.value, found.low, found.high) == (2.5, 1.0, 4.0)


def test_no_eyes_give_nan() -> None:
    assert math.isnan(bootstrap_ci("mse", [], [], []).value)


def test_what_cannot_be_measured_is_refused(eyes) -> None:
    pred, label, patient = eyes
    with pytest.raises(InputError, match="did you mean 'mse'"):
        bootstrap_ci("msee", pred, label, patient)
    with pytest.raises(ValueError, match="one patient index for each of 400 eyes"):
        bootstrap_ci("mse", pred, label, patient[:-1])
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_ci("mse", np.where(patient == 3, np.nan, pred), label, patient)
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_ci(bias, pred, label, patient, confidence=95)
    with pytest.raises(ValueError, match="how: found 'quotient'"):
        bootstrap_comparison("mse", pred, pred, label, patient, how="quotient")


@pytest.mark.parametrize("metric", ["mse", "balanced_mse", METRICS["mae"]])
def test_two_thousand_resamples_of_1500_eyes_take_less_than_two_seconds(metric) -> None:
    generator = np.random.default_rng(0)
    label = -generator.gamma(1.0, 6.0, 1500)
    start = time.process_time()
    bootstrap_ci(metric, label + generator.normal(size=1500), label, np.arange(1500) // 2)
    assert time.process_time() - start < 2.0
