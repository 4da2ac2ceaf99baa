"""RankSim against ranks counted by hand, and its interpolated gradient against the published recipe."""

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from bundle.errors import InputError
from bundle.losses import RankSimilarityLoss
from bundle.losses.ranksim import first_of_each, relative_ranks


def ranks_truth(row):
    return rankdata(-np.asarray(row)) / len(row)


def loss_truth(z, y):
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    rows = [np.mean((ranks_truth(unit @ unit[i]) - ranks_truth(-np.abs(y - y[i]))) ** 2) for i in range(len(y))]
    return np.mean(rows)


@pytest.fixture
def eyes():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(9, 4))), torch.from_numpy(rng.uniform(-20, 0, 9).astype(np.float32))


def on_an_arc(y, turn=0.1):
    """Features whose cosines fall with the label distance: angles in proportion to the labels."""
    angle = turn * y.double()
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def test_ranks_are_scipy_s_with_ties_at_their_mean():
    rows = torch.tensor([[3.0, 1.0, 2.0, 2.0], [5.0, 5.0, 5.0, 1.0]], dtype=torch.float64)
    np.testing.assert_allclose(relative_ranks(rows).numpy(), np.stack([ranks_truth(row) for row in rows.numpy()]))


def test_value_is_the_formula_by_loops(eyes):
    z, y = eyes
    assert RankSimilarityLoss()(z, y).item() == pytest.approx(loss_truth(z.numpy(), y.double().numpy()), rel=1e-12)


def test_features_in_the_order_of_the_labels_have_no_loss_and_no_gradient(eyes):
    y = eyes[1]
    z = on_an_arc(y).requires_grad_()
    loss = RankSimilarityLoss()(z, y)
    loss.backward()
    assert loss.item() == 0
    assert z.grad.abs().max() == 0


@pytest.mark.parametrize("weight", [1.0, 100.0])
@pytest.mark.parametrize("published_lambda", [0.02, 0.05, 2.0])
def test_gradient_is_the_published_one(eyes, weight, published_lambda):
    """-(rk(a) - rk(a + step)) / lambda for every row; the authors' lambda 2 with weight 100 inside is 200 here."""
    z, y = eyes
    z.requires_grad_()
    (weight * RankSimilarityLoss(interpolation=100 * published_lambda)(z, y)).backward()
    copy = z.detach().clone().requires_grad_()
    unit = copy / copy.norm(dim=1, keepdim=True)
    scores = unit @ unit.T
    a, n = scores.detach().numpy(), len(y)
    target = np.stack([ranks_truth(-np.abs(y.double().numpy() - value)) for value in y.double().numpy()])
    rk = np.stack([ranks_truth(row) for row in a])
    moved = np.stack([ranks_truth(row) for row in a + published_lambda * (100 * 2 * (rk - target) / n)])
    published = -(rk - moved) / published_lambda  # of 100 * l_i
    scores.backward(torch.from_numpy(published * weight / 100 / n))
    assert z.grad.abs().max() > 0
    torch.testing.assert_close(z.grad, copy.grad, rtol=1e-9, atol=1e-14)


def test_following_the_gradient_orders_the_features():
    y = torch.tensor([0.0, -1.0, -3.0, -7.0, -12.0, -20.0])
    z = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = RankSimilarityLoss()
    before = loss(z, y).item()
    optimizer = torch.optim.Adam([z], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss(z, y).backward()
        optimizer.step()
    assert loss(z, y).item() < 0.2 * before


def test_of_equal_labels_the_first_counts(eyes):
    z, y = eyes
    assert first_of_each(torch.tensor([5.0, 3.0, 5.0, 1.0, 3.0])).tolist() == [0, 1, 3]
    twice = RankSimilarityLoss()(torch.cat([z, torch.randn(2, 4, dtype=z.dtype)]), torch.cat([y, y[3:5]]))
    assert twice == RankSimilarityLoss()(z, y)


def test_queue_entries_are_keys_and_not_anchors(eyes):
    y = eyes[1]
    ordered = on_an_arc(y)
    assert RankSimilarityLoss()(ordered[:4], y[:4], ordered[4:], y[4:]) == 0
    swapped = ordered[4:].flip(0)
    expected = []
    keys, labels = torch.cat([ordered[:4], swapped]).numpy(), y.double().numpy()
    for i in range(4):
        expected.append(np.mean((ranks_truth(keys @ keys[i]) - ranks_truth(-np.abs(labels - labels[i]))) ** 2))
    assert RankSimilarityLoss()(ordered[:4], y[:4], swapped, y[4:]).item() == pytest.approx(np.mean(expected))


def test_an_eye_that_repeats_a_label_does_not_make_a_queue_entry_an_anchor(eyes):
    z, y = eyes
    expected = RankSimilarityLoss()(z[:4], y[:4], z[4:], y[4:])
    repeated = torch.cat([z[:4], -z[:1]]), torch.cat([y[:4], y[:1]])
    assert RankSimilarityLoss()(*repeated, z[4:], y[4:]) == expected


@pytest.mark.parametrize("labels", [[], [-2.0], [-2.0, -2.0]])
def test_without_two_different_labels_the_loss_is_zero_with_a_zero_gradient(labels):
    z = torch.randn(len(labels), 3, requires_grad=True)
    loss = RankSimilarityLoss()(z, torch.tensor(labels))
    loss.backward()
    assert loss == 0
    assert z.grad.abs().sum() == 0


def test_a_step_of_zero_is_refused():
    with pytest.raises(InputError, match="interpolation: found 0"):
        RankSimilarityLoss(interpolation=0)
