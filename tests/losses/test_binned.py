"""SupCon on bins and AdaCon: the adaptive-margin loss at its limits, seen through bins of MD."""

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss

from bundle.errors import InputError
from bundle.losses import AdaptiveMarginContrastiveLoss, BinnedContrastiveLoss
from tests.losses import amsc_truth


def supcon(**keys):
    return BinnedContrastiveLoss(
        AdaptiveMarginContrastiveLoss(temperature=0.1, margin=0, targets="hard", hard_window_db=0), **keys
    )


@pytest.fixture
def eyes():
    """20 features and labels in at least two of every bin of 2 dB."""
    rng = np.random.default_rng(3)
    md_db = -2.0 * rng.integers(0, 5, 20) + rng.uniform(-1.99, -0.01, 20)
    return torch.from_numpy(rng.normal(size=(20, 6))), torch.from_numpy(md_db)


def test_bins_are_left_closed_with_an_edge_at_zero():
    md_db = torch.tensor([-33.0, -2.0, -1.99, -0.01, 0.0, 1.99, 2.0], dtype=torch.float64)
    assert supcon(bin_width_db=2.0).bins(md_db).tolist() == [-33.0, -1.0, -1.0, -1.0, 1.0, 1.0, 3.0]


def test_supcon_on_bins_is_the_library_s_supcon_on_class_numbers(eyes):
    z, md_db = eyes
    classes = torch.from_numpy(np.digitize(md_db.numpy(), np.arange(-40, 10, 2)))
    expected = SupConLoss(temperature=0.1)(z, classes)
    torch.testing.assert_close(supcon()(z, md_db), expected, rtol=1e-10, atol=0)
    assert supcon(bin_width_db=4.0)(z, md_db) != expected


def test_adacon_is_the_formula_by_loops_with_the_ranks_of_the_training_bins(eyes):
    z, md_db = eyes
    train_db = np.concatenate([md_db.numpy(), np.random.default_rng(0).uniform(-30, 2, 70)])
    loss = BinnedContrastiveLoss(
        AdaptiveMarginContrastiveLoss(
            temperature=1 / 150, margin=2, margin_cap=2, rarity_power=0, cdf_share=1, targets="hard", hard_window_db=0
        )
    ).fit(train_db)
    expected = amsc_truth.adacon(z.numpy(), np.floor(md_db.numpy() / 2), np.floor(train_db / 2))
    assert loss(z, md_db).item() == pytest.approx(expected, rel=1e-10)


def test_the_queue_is_binned_too(eyes):
    z, md_db = eyes
    inner = supcon().loss
    bins = supcon().bins(md_db)
    expected = inner(z[:12], bins[:12], z[12:], bins[12:])
    assert supcon()(z[:12], md_db[:12], z[12:], md_db[12:]) == expected


def test_a_width_of_zero_is_refused():
    with pytest.raises(InputError, match="bin_width_db: found 0"):
        supcon(bin_width_db=0)
