"""Inverse-frequency weights and LDS against counts by hand and SciPy's convolution."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d

from bundle.errors import InputError
from bundle.losses import HistogramWeight


@pytest.fixture
def train_db():
    rng = np.random.default_rng(0)
    return np.clip(np.concatenate([-rng.gamma(1.2, 4, 400) + 2, [-32.9, -32.8, 3.9]]), -32.9, 3.9)


def weights_of(weight, md_db):
    return weight(torch.from_numpy(np.asarray(md_db, dtype=np.float64))).numpy()


@pytest.mark.parametrize("edge", ["constant", "reflect"])
@pytest.mark.parametrize("reweight", ["sqrt_inverse", "inverse"])
@pytest.mark.parametrize(("size", "sigma"), [(1, 2.0), (5, 2.0), (9, 1.0)])
def test_weights_are_those_of_a_histogram_convolved_by_scipy(train_db, edge, reweight, size, sigma):
    weight = HistogramWeight(reweight, size, sigma, edge).fit(train_db)
    counts, edges = np.histogram(train_db.astype(np.float32), bins=74, range=(-33, 4))
    prepared = np.sqrt(counts) if reweight == "sqrt_inverse" else np.maximum(counts, 1.0)
    offsets = np.arange(size) - size // 2
    smooth = convolve1d(prepared, np.exp(-0.5 * (offsets / sigma) ** 2), mode=edge)
    raw = 1 / smooth[np.searchsorted(edges, train_db.astype(np.float32), side="right") - 1]
    np.testing.assert_allclose(weights_of(weight, train_db), raw / raw.mean(), rtol=1e-10)


def test_plain_inverse_weights_give_every_occupied_bin_the_same_say():
    md_db = np.array([-1.1] * 6 + [-10.1] * 3 + [-20.1])
    np.testing.assert_allclose(
        weights_of(HistogramWeight("inverse").fit(md_db), md_db[[0, 6, 9]]), [10 / 18, 10 / 9, 10 / 3]
    )
    root = weights_of(HistogramWeight("sqrt_inverse").fit(md_db), md_db)
    np.testing.assert_allclose(root[[9]] / root[[0]], np.sqrt(6))


def test_the_square_root_comes_before_the_smoothing():
    """One bin of 9 eyes next to one of 1, kernel (k, 1, k): n~ = 3 + k and 1 + 3 k, not roots of sums."""
    md_db = np.array([-1.1] * 9 + [-1.6])
    w = weights_of(HistogramWeight("sqrt_inverse", 3, 1.0).fit(md_db), md_db)
    k = np.exp(-0.5)
    assert w[9] / w[0] == pytest.approx((3 + k) / (1 + 3 * k))


@pytest.mark.parametrize("reweight", ["sqrt_inverse", "inverse"])
def test_uniform_labels_weigh_one_away_from_the_edges_and_more_at_them(reweight):
    md_db = np.repeat(np.arange(-33, 4, 0.5) + 0.25, 4)
    w = weights_of(HistogramWeight(reweight, 5, 2.0, "constant").fit(md_db), md_db)
    assert w.mean() == pytest.approx(1)
    inner = w[4 * 2 : -4 * 2]
    np.testing.assert_allclose(inner, inner[0], rtol=1e-12)
    assert w[0] > inner[0]
    np.testing.assert_allclose(
        weights_of(HistogramWeight(reweight, 5, 2.0, "reflect").fit(md_db), md_db), 1, rtol=1e-12
    )


def test_labels_unseen_in_training_have_finite_weights_up_to_the_largest(train_db):
    weight = HistogramWeight("sqrt_inverse", 5).fit(train_db)
    w = weights_of(weight, [-60.0, -33.0, -28.3, 4.0, 12.0])
    assert np.isfinite(w).all()
    assert w.max() <= weights_of(weight, train_db).max() * (1 + 1e-12)


def test_a_minimum_count_limits_the_weight_of_rare_bins():
    md_db = np.array([-1.1] * 20 + [-20.1])
    w = weights_of(HistogramWeight("inverse", min_count=5).fit(md_db), md_db)
    assert w[20] / w[0] == pytest.approx(4)


def test_shape_and_dtype_are_those_of_the_labels(train_db):
    weight = HistogramWeight().fit(train_db)(torch.full((3, 1), -5.0))
    assert (weight.shape, weight.dtype) == ((3, 1), torch.float32)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reweight", "log"),
        ("kernel_size", 4),
        ("kernel_sigma", 0),
        ("edge", "wrap"),
        ("bin_width_db", 0),
        ("range_db", [4, -33]),
    ],
)
def test_arguments_out_of_range_are_refused(key, value):
    with pytest.raises(InputError, match=key):
        HistogramWeight(**{key: value})


def test_weights_before_fitting_and_fits_without_labels_are_refused():
    with pytest.raises(RuntimeError, match="call fit"):
        HistogramWeight()(torch.zeros(1))
    with pytest.raises(InputError, match="expected at least one"):
        HistogramWeight().fit([])
