import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from bundle.metrics import bias, ccc, mae, mse, pearson, r2, regression_metrics, rmse

ALL = (mse, rmse, mae, bias, r2, pearson, ccc)


@pytest.fixture
def eyes() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    label = -generator.gamma(1.0, 5.0, 200)
    return 0.6 * label - 1.5 + generator.normal(0, 2, 200), label


def test_errors_equal_scikit_learn(eyes) -> None:
    pred, label = eyes
    assert mse(pred, label) == pytest.approx(oracle.mean_squared_error(label, pred), rel=1e-12)
    assert rmse(pred, label) == pytest.approx(oracle.root_mean_squared_error(label, pred), rel=1e-12)
    assert mae(pred, label) == pytest.approx(oracle.mean_absolute_error(label, pred), rel=1e-12)
    assert r2(pred, label) == pytest.approx(oracle.r2_score(label, pred), rel=1e-12)


def test_pearson_equals_scipy(eyes) -> None:
    assert pearson(*eyes) == pytest.approx(stats.pearsonr(*eyes).statistic, rel=1e-12)


def test_bias_is_positive_when_the_field_is_called_too_healthy() -> None:
    assert bias([-2.0, -4.0], [-3.0, -6.0]) == 1.5


def test_ccc_is_correlation_times_the_bias_correction_factor(eyes) -> None:
    """Lin's decomposition: CCC = r C_b, C_b = 2 / (v + 1/v + u^2), v = ratio of SDs, u = shift in SDs."""
    pred, label = eyes
    v, u = pred.std() / label.std(), (pred.mean() - label.mean()) / math.sqrt(pred.std() * label.std())
    assert ccc(pred, label) == pytest.approx(stats.pearsonr(pred, label).statistic * 2 / (v + 1 / v + u**2), rel=1e-12)


def test_mse_is_variance_of_the_error_plus_squared_bias(eyes) -> None:
    pred, label = eyes
    assert mse(pred, label) == pytest.approx((pred - label).var() + bias(pred, label) ** 2, rel=1e-12)


def test_a_perfect_prediction() -> None:
    label = [-1.0, -4.0, -20.0]
    found = regression_metrics(label, label)
    assert found == {"mse": 0, "rmse": 0, "mae": 0, "bias": 0, "r2": 1, "pearson": pytest.approx(1), "ccc": 1}


def test_predicting_the_mean_has_no_merit() -> None:
    found = regression_metrics([-4.0] * 3, [-2.0, -4.0, -6.0])
    assert (found["r2"], found["ccc"]) == (0.0, 0.0)
    assert math.isnan(found["pearson"])


@pytest.mark.parametrize("metric", ALL)
def test_no_eyes_give_nan(metric) -> None:
    assert math.isnan(metric([], []))


@pytest.mark.parametrize("metric", [r2, pearson, ccc])
def test_equal_labels_leave_nothing_to_explain(metric) -> None:
    assert math.isnan(metric([-1.0, -2.0], [-5.0, -5.0]))


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused_and_located(metric, bad) -> None:
    with pytest.raises(ValueError, match=r"pred_db: 1 of 2 .*index 1"):
        metric([-1.0, bad], [-1.0, -2.0])
    with pytest.raises(ValueError, match=r"label_db: 1 of 2 .*index 0"):
        metric([-1.0, -2.0], [bad, -2.0])


@pytest.mark.parametrize("metric", ALL)
def test_shapes_that_would_broadcast_are_refused(metric) -> None:
    with pytest.raises(ValueError, match="expected one prediction a label"):
        metric([-1.0], [-1.0, -2.0])
    with pytest.raises(ValueError, match=r"shape \(2, 1\)"):
        metric(np.zeros((2, 1)), np.zeros(2))


def test_results_are_plain_floats(eyes) -> None:
    assert {type(value) for value in regression_metrics(*eyes).values()} == {float}
