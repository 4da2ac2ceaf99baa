import numpy as np
import pytest
from sklearn import metrics as oracle

from bundle.metrics import METRICS
from bundle.metrics.weighted import WEIGHTED_METRICS


@pytest.fixture
def eyes() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    label = -generator.gamma(1.0, 6.0, 60)
    return 0.7 * label + generator.normal(0, 2, 60), label


@pytest.mark.parametrize("name", list(METRICS))
def test_integer_weights_equal_writing_each_eye_out(name, eyes) -> None:
    pred, label = eyes
    counts = np.random.default_rng(1).integers(0, 4, (7, 60))
    written_out = [METRICS[name](np.repeat(pred, row), np.repeat(label, row)) for row in counts]
    np.testing.assert_allclose(WEIGHTED_METRICS[name](pred, label, counts.astype(float)), written_out, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "function"),
    [("mse", oracle.mean_squared_error), ("mae", oracle.mean_absolute_error), ("r2", oracle.r2_score)],
)
def test_fractional_weights_equal_scikit_learn(name, function, eyes) -> None:
    pred, label = eyes
    weight = np.random.default_rng(2).random((1, 60))
    expected = function(label, pred, sample_weight=weight[0])
    assert WEIGHTED_METRICS[name](pred, label, weight)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["r2", "pearson", "ccc"])
def test_one_eye_drawn_many_times_has_no_spread(name, eyes) -> None:
    assert np.isnan(WEIGHTED_METRICS[name](*eyes, 7 * np.eye(60))).all()


@pytest.mark.parametrize("name", list(METRICS))
def test_no_weight_gives_nan_and_no_warning(name, eyes) -> None:
    with np.errstate(all="raise"):
        assert np.isnan(WEIGHTED_METRICS[name](*eyes, np.zeros((1, 60)))[0])
