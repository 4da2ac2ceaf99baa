"""WeightedMSELoss: value, weights, missing predictions."""

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.losses import WeightedMSELoss

NAN = float("nan")


def test_value_is_the_mean_of_weighted_standardised_squares():
    rng = np.random.default_rng(0)
    pred, label, weight = rng.normal(-5, 4, (3, 7, 1))
    expected = np.mean(weight * ((pred - label) / 3.0) ** 2)
    actual = WeightedMSELoss(3.0)(*map(torch.from_numpy, (pred, label, weight)))
    assert actual.item() == pytest.approx(expected, rel=1e-12)


def test_doubling_the_weights_doubles_the_loss():
    pred, label, weight = torch.randn(3, 5, 1).abs()
    loss = WeightedMSELoss(2.0)
    torch.testing.assert_close(loss(pred, label, 2 * weight), 2 * loss(pred, label, weight))


def test_a_missing_prediction_is_left_out_of_value_and_gradient():
    label = torch.tensor([[-5.0], [-1.0], [-9.0]])
    weight = torch.tensor([[1.0], [7.0], [2.0]])
    with_nan = torch.tensor([[-3.0], [NAN], [-8.0]], requires_grad=True)
    without = torch.tensor([[-3.0], [-8.0]], requires_grad=True)
    loss = WeightedMSELoss(2.0)
    a, b = loss(with_nan, label, weight), loss(without, label[[0, 2]], weight[[0, 2]])
    a.backward()
    b.backward()
    assert a.item() == b.item()
    assert with_nan.grad.flatten().tolist() == [without.grad[0].item(), 0.0, without.grad[1].item()]


def test_nan_gradient_does_not_reach_shared_weights_of_a_missing_row():
    head = torch.nn.Linear(2, 1)
    features = torch.randn(3, 2)
    missing = torch.tensor([[False], [True], [False]])
    pred = head(features).masked_fill(missing, NAN)
    WeightedMSELoss(1.0)(pred, torch.zeros(3, 1)).backward()
    assert head.weight.grad.isfinite().all()
    assert head.weight.grad.abs().sum() > 0


def test_no_prediction_at_all_is_zero_with_a_zero_gradient():
    pred = torch.full((3, 1), NAN, requires_grad=True)
    loss = WeightedMSELoss(1.0)(pred, torch.zeros(3, 1))
    loss.backward()
    assert loss.item() == 0
    assert pred.grad.tolist() == [[0.0]] * 3


def test_a_nan_label_is_seen_in_the_loss():
    assert WeightedMSELoss(1.0)(torch.zeros(2, 1), torch.tensor([[0.0], [NAN]])).isnan()


def test_half_precision_predictions_are_squared_in_float32():
    loss = WeightedMSELoss(1.0)(torch.full((1, 1), 300.0, dtype=torch.float16), torch.zeros(1, 1))
    assert loss.dtype == torch.float32
    assert loss.item() == 90_000.0


@pytest.mark.parametrize("name", ["label", "weight"])
def test_a_shape_that_would_broadcast_is_refused(name):
    arguments = {"label": torch.zeros(4, 1), "weight": torch.ones(4, 1)} | {name: torch.zeros(4)}
    with pytest.raises(ValueError, match=name):
        WeightedMSELoss(1.0)(torch.zeros(4, 1), **arguments)


@pytest.mark.parametrize("scale_db", [0.0, -1.0, NAN, float("inf"), True])
def test_a_scale_that_is_no_positive_number_is_refused(scale_db):
    with pytest.raises(InputError, match="scale_db"):
        WeightedMSELoss(scale_db)
