"""The table of limiting cases of docs/method.md 2, one test a row."""

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss

from bundle.losses import AdaptiveMarginContrastiveLoss
from tests.losses import amsc_truth


@pytest.fixture
def z():
    """24 features of dimension 8, float64."""
    return torch.randn(24, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def bins():
    """Labels in 6 bins of 4 eyes, dB."""
    return -5.0 * torch.arange(6, dtype=torch.float64).repeat(4)


@pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5])
def test_hard_targets_without_margin_are_supcon(z, bins, temperature):
    loss = AdaptiveMarginContrastiveLoss(temperature=temperature, margin=0, targets="hard", hard_window_db=0)
    expected = SupConLoss(temperature=temperature)(z, bins.long())
    torch.testing.assert_close(loss(z, bins), expected, rtol=1e-10, atol=0)


def test_supcon_gradient_is_the_same(z, bins):
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    AdaptiveMarginContrastiveLoss(margin=0, targets="hard", hard_window_db=0)(a, bins).backward()
    SupConLoss(temperature=0.1)(b, bins.long()).backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_hard_bins_with_rank_margin_are_adacon(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(20, 6))
    train_bins = np.round(rng.exponential(4, 100))
    bins = rng.choice(train_bins, 20)
    loss = AdaptiveMarginContrastiveLoss(
        temperature=1 / 150,
        margin=2,
        margin_power=1,
        margin_cap=2,
        rarity_power=0,
        cdf_share=1,
        targets="hard",
        hard_window_db=0,
    ).fit(train_bins)
    actual = loss(torch.from_numpy(z), torch.from_numpy(bins))
    assert actual.item() == pytest.approx(amsc_truth.adacon(z, bins, train_bins), rel=1e-10)


@pytest.mark.parametrize("ties", [False, True])
def test_rank_denominator_on_distances_is_rank_n_contrast(ties):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(15, 5)), rng.exponential(5, 15).astype(np.float32).astype(np.float64)
    y = np.round(y) if ties else y
    loss = AdaptiveMarginContrastiveLoss(
        temperature=2, bandwidth_db=math.inf, margin=0, denominator="rank", similarity="l2"
    )
    actual = loss(torch.from_numpy(z), torch.from_numpy(y))
    assert actual.item() == pytest.approx(amsc_truth.rank_n_contrast(z, y), rel=1e-10)


def test_without_rarity_powers_the_label_density_does_not_matter(z, bins):
    loss = AdaptiveMarginContrastiveLoss(rarity_power=0, anchor_power=0)
    unfitted = loss(z, bins)
    for labels in ([-1.0], np.linspace(-30, 0, 50)):
        assert loss.fit(labels)(z, bins) == unfitted


def test_with_rarity_powers_the_label_density_matters(z, bins):
    loss = AdaptiveMarginContrastiveLoss(rarity_power=0.25)
    values = {loss.fit(labels)(z, bins).item() for labels in ([-1.0, -2.0, -25.0], np.linspace(-30, 0, 50))}
    assert len(values) == 2


@pytest.mark.parametrize(("distance_db", "margin", "cap"), [(6.6, 0.5, 2.0), (33.0, 1.0, 2.0), (33.0, 1.0, 0.4)])
def test_equal_features_with_one_far_label_give_log_of_one_plus_exp_margin(distance_db, margin, cap):
    m = min(cap, margin * distance_db / 33)
    loss = AdaptiveMarginContrastiveLoss(
        margin=margin, margin_cap=cap, rarity_power=0, targets="hard", hard_window_db=0.5
    )
    value = loss(torch.ones(3, 4, dtype=torch.float64), torch.tensor([0.0, 0.0, -distance_db]))
    assert value.item() == pytest.approx(math.log1p(math.exp(m / 0.1)), rel=1e-6)


def test_no_anchor_with_a_positive_is_zero_with_a_finite_gradient(z):
    z.requires_grad_()
    loss = AdaptiveMarginContrastiveLoss(margin=0, targets="hard", hard_window_db=0.1)
    value = loss(z, -torch.arange(24.0))
    value.backward()
    assert value.item() == 0
    assert z.grad.abs().max() == 0


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"denominator": "rank"},
        {"targets": "hard", "hard_window_db": 3.0},
        {"targets": "hard", "hard_window_db": 3.0, "denominator": "rank"},
        {"cdf_share": 0.4, "anchor_power": 0.7, "margin_power": 2.0, "margin_cap": 0.1},
    ],
    ids=["default", "rank", "hard", "hard rank", "all knobs"],
)
@pytest.mark.parametrize("queue_size", [0, 9])
def test_value_equals_the_formula_computed_by_loops(change, queue_size):
    rng = np.random.default_rng(1)
    train = rng.exponential(5, 60).astype(np.float32).astype(np.float64)
    z, z_queue = rng.normal(size=(12, 5)), rng.normal(size=(queue_size, 5))
    y, y_queue = rng.choice(train, 12), rng.choice(train, queue_size)
    loss = AdaptiveMarginContrastiveLoss(**({"margin": 0.8} | change)).fit(train)
    expected = amsc_truth.amsc(
        z,
        y,
        z_queue,
        y_queue,
        train,
        tau=loss.temperature,
        h=loss.bandwidth_db,
        m0=loss.margin,
        a=loss.margin_power,
        cap=loss.margin_cap,
        kappa=loss.rarity_power,
        eta=loss.anchor_power,
        xi=loss.cdf_share,
        hard_window=loss.hard_window_db if loss.targets == "hard" else None,
        rank=change.get("denominator") == "rank",
    )
    actual = loss(*map(torch.from_numpy, (z, y, z_queue, y_queue)))
    assert actual.item() == pytest.approx(expected, rel=1e-7)
