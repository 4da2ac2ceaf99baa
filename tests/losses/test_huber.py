"""Huber's loss against its definition in NumPy, SciPy, and both limits of delta."""

import numpy as np
import pytest
import torch
from scipy.special import huber

from bundle.errors import InputError
from bundle.losses import HuberLoss, WeightedMSELoss

NAN = float("nan")
SD_DB = 4.0


@pytest.fixture
def eyes():
    rng = np.random.default_rng(0)
    label = rng.normal(-6, 4, (13, 1))
    return torch.from_numpy(label + rng.normal(0, 4, (13, 1))), torch.from_numpy(label)


@pytest.mark.parametrize("delta_db", [0.5, 3.0, 20.0])
def test_value_is_the_definition_on_standardised_errors(eyes, delta_db):
    e, d = ((eyes[0] - eyes[1]) / SD_DB).numpy(), delta_db / SD_DB
    by_hand = np.where(np.abs(e) <= d, e**2 / 2, d * (np.abs(e) - d / 2)).mean()
    value = HuberLoss(SD_DB, delta_db)(*eyes).item()
    assert value == pytest.approx(by_hand, rel=1e-12)
    assert value == pytest.approx(huber(d, e).mean(), rel=1e-12)


def test_a_large_delta_is_half_the_squared_error(eyes):
    assert HuberLoss(SD_DB, 1e4)(*eyes).item() == pytest.approx(WeightedMSELoss(SD_DB)(*eyes).item() / 2, rel=1e-12)


def test_a_small_delta_is_delta_times_the_absolute_error(eyes):
    delta_db, absolute = 1e-6, ((eyes[0] - eyes[1]) / SD_DB).abs().mean().item()
    assert HuberLoss(SD_DB, delta_db)(*eyes).item() == pytest.approx(delta_db / SD_DB * absolute, rel=1e-5)


def test_gradient_of_a_large_error_is_delta(eyes):
    pred, label = eyes[1] + 100, eyes[1]
    pred.requires_grad_()
    (len(pred) * HuberLoss(SD_DB, 2.0)(pred, label)).backward()
    torch.testing.assert_close(pred.grad, torch.full_like(label, 2.0 / SD_DB**2))


def test_missing_predictions_are_left_out_and_weights_count_per_eye(eyes):
    pred, label = eyes
    weight = torch.linspace(0.5, 2, 13, dtype=torch.float64).unsqueeze(1)
    padded = torch.cat([pred, torch.full((1, 1), NAN)]).requires_grad_()
    more, weights = torch.cat([label, label[:1]]), torch.cat([weight, weight[:1]])
    loss = HuberLoss(SD_DB, 3.0)(padded, more, weights)
    loss.backward()
    d = 3.0 / SD_DB
    assert loss.item() == pytest.approx((weight.numpy() * huber(d, ((pred - label) / SD_DB).numpy())).mean())
    assert padded.grad[-1] == 0
    assert padded.grad.isfinite().all()


def test_no_prediction_at_all_is_zero_with_a_zero_gradient():
    pred = torch.full((3, 1), NAN, requires_grad=True)
    loss = HuberLoss(SD_DB)(pred, torch.zeros(3, 1))
    loss.backward()
    assert loss == 0
    assert (pred.grad == 0).all()


@pytest.mark.parametrize("setting", [{"delta_db": 0.0}, {"delta_db": -1.0}, {"scale_db": 0.0}])
def test_an_argument_outside_its_range_is_named(setting):
    with pytest.raises(InputError, match=f"^{next(iter(setting))}: found"):
        HuberLoss(**({"scale_db": SD_DB} | setting))
