"""Balanced MSE against a numerical integral, its exact limits, and scikit-learn's mixture."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from bundle.errors import InputError
from bundle.losses import BalancedMSELoss
from bundle.losses.gaussian_mixture import fit_gaussian_mixture

NAN = float("nan")


@pytest.fixture
def train_db():
    return np.random.default_rng(0).gamma(1.5, 4, 300) * -1 + 1


def gradient(loss, pred, label):
    pred = pred.clone().requires_grad_()
    loss(pred, label).backward()
    return pred.grad


def test_log_integral_is_that_of_a_numerical_integration(train_db):
    loss = BalancedMSELoss(4.0, noise_db=2.0, n_components=3).fit(train_db)
    shares, means, variances = fit_gaussian_mixture(train_db, 3, loss.MIN_SD_DB)
    for pred in (-20.0, -4.0, 1.0):

        def product(y, pred=pred):
            return norm.pdf(y, pred, 2.0) * np.sum(shares * norm.pdf(y, means, np.sqrt(variances)))

        expected = np.log(quad(product, pred - 25, pred + 25, points=[pred], limit=200)[0])
        assert loss.log_integral(torch.tensor([pred]))[0].item() == pytest.approx(expected, abs=1e-4)


def test_one_component_has_the_closed_form_gradient():
    """2 (p - y) - 2 sigma^2 (p - mu) / (v + sigma^2), over n and the squared scale: predictions leave the crowd."""
    train = np.random.default_rng(1).normal(-6, 3, 50)
    v = train.var() + BalancedMSELoss.MIN_SD_DB**2
    pred = torch.tensor([[-9.0], [-2.0]], dtype=torch.float64)
    label = torch.tensor([[-10.0], [-3.0]], dtype=torch.float64)
    actual = gradient(BalancedMSELoss(2.0, noise_db=1.5, n_components=1).fit(train), pred, label)
    expected = (2 * (pred - label) - 2 * 1.5**2 * (pred - train.mean()) / (v + 1.5**2)) / (2 * 4)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)


def test_without_noise_and_with_flat_labels_the_gradient_is_that_of_the_squared_error(train_db):
    pred, label = torch.tensor([[-9.0], [-2.0]]), torch.tensor([[-10.0], [-3.5]])
    mse = (pred - label) / 16
    torch.testing.assert_close(
        gradient(BalancedMSELoss(4.0, noise_db=1e-3).fit(train_db), pred, label), mse, rtol=1e-3, atol=1e-5
    )
    flat = BalancedMSELoss(4.0, noise_db=1.0, n_components=1).fit(np.linspace(-1e4, 1e4, 1001))
    torch.testing.assert_close(gradient(flat, pred, label), mse, rtol=1e-3, atol=1e-5)
    skewed = gradient(BalancedMSELoss(4.0, noise_db=3.0).fit(train_db), pred, label)
    assert (skewed - mse).abs().min() > 1e-3


def test_missing_predictions_and_weights(train_db):
    loss = BalancedMSELoss(4.0).fit(train_db)
    pred, label, weight = (
        torch.tensor([[-3.0], [NAN], [-8.0]]),
        torch.full((3, 1), -5.0),
        torch.tensor([[1.0], [7.0], [3.0]]),
    )
    first, third = (loss(pred[i : i + 1], label[i : i + 1]) for i in (0, 2))
    torch.testing.assert_close(loss(pred, label, weight), (first + 3 * third) / 2)
    pred = torch.full((2, 1), NAN, requires_grad=True)
    nothing = loss(pred, label[:2])
    nothing.backward()
    assert nothing == 0
    assert pred.grad.abs().max() == 0


def test_state_loads_into_a_fresh_loss(train_db):
    fitted = BalancedMSELoss(4.0).fit(train_db)
    fresh = BalancedMSELoss(4.0)
    with pytest.raises(RuntimeError, match="call fit"):
        fresh(torch.zeros(1, 1), torch.zeros(1, 1))
    fresh.load_state_dict(fitted.state_dict())
    assert fresh.log_integral(torch.tensor([-4.0])) == fitted.log_integral(torch.tensor([-4.0]))


# ---- the mixture -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 4])
def test_mixture_is_scikit_learn_s_from_the_same_start(train_db, k):
    shares, means, variances = fit_gaussian_mixture(train_db, k, 0.25, max_steps=5000, tolerance=1e-13)
    start = {
        "weights_init": np.full(k, 1 / k),
        "means_init": np.quantile(train_db, (np.arange(k) + 0.5) / k)[:, None],
        "precisions_init": np.full((k, 1, 1), 1 / (train_db.var() + 0.25**2)),
    }
    expected = GaussianMixture(k, reg_covar=0.25**2, tol=1e-13, max_iter=5000, **start).fit(train_db[:, None])
    np.testing.assert_allclose(shares, expected.weights_, rtol=1e-3)
    np.testing.assert_allclose(means, expected.means_[:, 0], rtol=1e-3)
    np.testing.assert_allclose(variances, expected.covariances_[:, 0, 0], rtol=1e-3)


def test_two_well_separated_groups_are_found():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-25, 1, 100), rng.normal(-2, 0.5, 300)])
    shares, means, variances = fit_gaussian_mixture(values, 2, 0.01)
    np.testing.assert_allclose(shares, [0.25, 0.75], atol=1e-3)
    np.testing.assert_allclose(means, [values[:100].mean(), values[100:].mean()], atol=1e-3)
    np.testing.assert_allclose(variances, [values[:100].var(), values[100:].var()], atol=1e-3)


def test_few_distinct_labels_get_as_many_components():
    shares, means, variances = fit_gaussian_mixture([-1.0, -1.0, -1.0, -20.0], 8, 0.25)
    np.testing.assert_allclose(shares, [0.25, 0.75], atol=1e-6)
    np.testing.assert_allclose(means, [-20, -1], atol=1e-6)
    assert np.isfinite(variances).all()
    with pytest.raises(InputError, match="expected at least one"):
        fit_gaussian_mixture([], 2, 0.25)
