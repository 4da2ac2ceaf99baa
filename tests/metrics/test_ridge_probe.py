"""The ridge probe against scikit-learn, and its special values."""

import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bundle.metrics.ridge_probe import ridge_probe_r2


def eyes(n, features=12, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1.0, (n, features)) * np.linspace(0.1, 20, features)
    return x, -6 + x[:, 0] * 10 + 0.2 * x[:, 5] + rng.normal(0, 2.0, n)


@pytest.mark.parametrize("penalty", [0.01, 10.0, 1000.0])
@pytest.mark.parametrize("n", [8, 60])
def test_equals_scikit_learn(n, penalty):
    train, other = eyes(n), eyes(25, seed=1, shift=0.3)
    model = make_pipeline(StandardScaler(), Ridge(alpha=penalty)).fit(*train)
    assert ridge_probe_r2(*train, *other, penalty) == pytest.approx((model.score(*train), model.score(*other)))


def test_a_constant_feature_is_left_out():
    (x, y), (x2, y2) = eyes(30), eyes(20, seed=1)
    wide = [np.hstack([one, np.full((len(one), 1), 7.0)]) for one in (x, x2)]
    assert ridge_probe_r2(wide[0], y, wide[1], y2) == ridge_probe_r2(x, y, x2, y2)


def test_features_that_are_all_constant_read_out_the_mean():
    y = np.array([1.0, 2.0, 3.0])
    assert ridge_probe_r2(np.ones((3, 4)), y, np.ones((3, 4)), y) == (0.0, 0.0)


def test_equal_labels_have_no_r2():
    (x, y), (x2, _) = eyes(30), eyes(5)
    assert math.isnan(ridge_probe_r2(x, y, x2, np.full(5, -3.0))[1])
