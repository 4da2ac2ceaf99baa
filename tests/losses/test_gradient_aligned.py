"""GAR against its definition as sums over pairs, NumPy's correlation and the limits of the power mean."""

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.losses import GradientAlignedLoss

NAN = float("nan")
SD_DB = 3.0


@pytest.fixture
def eyes():
    rng = np.random.default_rng(0)
    label = rng.normal(-6, 4, (11, 1))
    return torch.from_numpy(0.5 * label - 2 + rng.normal(0, 2, (11, 1))), torch.from_numpy(label)


def terms(pred, label):
    p, t = pred.numpy().ravel() / SD_DB, label.numpy().ravel() / SD_DB
    pairs = ((p[:, None] - p) - (t[:, None] - t)) ** 2
    return np.array([np.abs(p - t).mean(), 0.5 * pairs.mean(), 1 - np.corrcoef(p, t)[0, 1]])


@pytest.mark.parametrize("power", [0.2, 0.5, 1.0, 3.0])
def test_value_is_the_power_mean_of_the_three_published_terms(eyes, power):
    expected = power * np.log(np.mean(terms(*eyes) ** (1 / power)))
    assert GradientAlignedLoss(SD_DB, power)(*eyes).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("power", "limit"), [(1e-3, np.max), (1e5, lambda x: np.exp(np.log(x).mean()))])
def test_the_limits_of_the_power_are_the_largest_term_and_the_geometric_mean(eyes, power, limit):
    value = GradientAlignedLoss(SD_DB, power)(*eyes).item()
    assert value == pytest.approx(np.log(limit(terms(*eyes))), abs=2e-3)


def test_gradient_is_the_derivative_of_the_value(eyes):
    pred, label = eyes
    assert torch.autograd.gradcheck(lambda x: GradientAlignedLoss(SD_DB)(x, label), pred.requires_grad_())


def test_a_missing_prediction_is_left_out(eyes):
    pred, label = eyes
    padded, more = torch.cat([pred, torch.full((1, 1), NAN)]).requires_grad_(), torch.cat([label, label[:1]])
    loss = GradientAlignedLoss(SD_DB)(padded, more)
    loss.backward()
    assert loss == GradientAlignedLoss(SD_DB)(pred, label)
    assert padded.grad[-1] == 0


def test_one_eye_no_eye_and_equal_predictions_have_finite_gradients(eyes):
    for pred in (eyes[0][:1], torch.full((4, 1), NAN), torch.full((4, 1), -5.0)):
        pred = pred.clone().float().requires_grad_()
        loss = GradientAlignedLoss(SD_DB)(pred, eyes[1][: len(pred)].float())
        loss.backward()
        assert loss.isfinite()
        assert pred.grad.isfinite().all()
        assert pred.grad.abs().max() < 1e4


def test_sample_weights_are_refused_unless_they_are_ones(eyes):
    loss = GradientAlignedLoss(SD_DB)
    assert loss(*eyes, torch.ones_like(eyes[1])) == loss(*eyes)
    with pytest.raises(InputError, match="descent_rarity_power"):
        loss(*eyes, 2 * torch.ones_like(eyes[1]))
