"""LabelDensity against scipy, NumPy and its own definition's limits."""

import io
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde

from bundle.errors import InputError
from bundle.losses import LabelDensity, RarityWeight, UniformWeight


@pytest.fixture
def md_train():
    """Long-tailed MD of 200 eyes, dB, exactly representable in float32."""
    return -np.random.default_rng(0).exponential(5.0, 200).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("bandwidth_db", [0.5, 1.0, 3.0])
def test_pdf_equals_scipy_kernel_density(md_train, bandwidth_db):
    density = LabelDensity(bandwidth_db).fit(md_train)
    kde = gaussian_kde(md_train, bw_method=bandwidth_db / md_train.std(ddof=1))
    md_db = torch.linspace(-30, 5, 141, dtype=torch.float64)
    np.testing.assert_allclose(density.pdf(md_db).numpy(), kde(md_db.numpy()), rtol=1e-9, atol=1e-300)


def test_pdf_in_chunks_is_the_same(md_train, monkeypatch):
    density = LabelDensity().fit(md_train)
    md_db = torch.linspace(-30, 5, 36).view(4, 9)
    whole = density.pdf(md_db)
    monkeypatch.setattr("bundle.losses.density.PAIRS_AT_ONCE", 450)
    torch.testing.assert_close(density.pdf(md_db), whole, rtol=0, atol=0)


def test_cdf_is_the_mid_rank(md_train):
    density = LabelDensity().fit([-3.0, -1.0, -1.0, -2.0])
    md_db = torch.tensor([-4.0, -3.0, -2.5, -1.0, 0.0])
    assert density.cdf(md_db).tolist() == [0.0, 0.125, 0.25, 0.75, 1.0]


def test_a_label_from_a_float32_batch_meets_itself_among_float64_labels():
    density = LabelDensity().fit(np.array([-3.27, -3.27, -8.13]))
    assert density.cdf(torch.tensor([-3.27])).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
def test_rarity_equals_its_definition(md_train, power):
    def p(y):
        return np.exp(-0.5 * (y[:, None] - md_train) ** 2).mean(1) / np.sqrt(2 * np.pi)

    md_db = np.linspace(-40, 3, 173)
    z = (p(md_train) ** -power).mean()
    with np.errstate(divide="ignore"):
        expected = np.clip(p(md_db) ** -power / z, 0.25, 4.0)
    rarity = LabelDensity(1.0).fit(md_train).rarity(torch.from_numpy(md_db), power)
    np.testing.assert_allclose(rarity.numpy(), expected, rtol=1e-6)


def test_rarity_far_outside_the_training_range_is_the_limit_not_infinity(md_train):
    density = LabelDensity().fit(md_train)
    assert density.rarity(torch.tensor([-1e6, 1e6]), 0.5).tolist() == pytest.approx([4.0, 4.0])


def test_rarity_scale_comes_from_the_training_labels_not_from_the_batch(md_train):
    density = LabelDensity().fit(md_train)
    alone = density.rarity(torch.tensor([-1.0]), 0.5)
    together = density.rarity(torch.tensor([-1.0, -25.0, -26.0]), 0.5)
    assert alone[0] == together[0]


def test_shape_and_dtype_are_the_labels(md_train):
    density = LabelDensity().fit(md_train)
    md_db = torch.zeros(4, 1, dtype=torch.float16)
    for values in (density.pdf(md_db), density.cdf(md_db), density.rarity(md_db, 0.5)):
        assert values.shape == (4, 1)
        assert values.dtype == torch.float16


def test_power_zero_is_one_without_fitting_and_any_other_power_says_fit():
    density = LabelDensity()
    assert density.rarity(torch.tensor([-1.0, -30.0]), 0.0).tolist() == [1.0, 1.0]
    for call in (lambda y: density.rarity(y, 0.5), density.pdf, density.cdf):
        with pytest.raises(RuntimeError, match=r"fit\(md_db_train\)"):
            call(torch.zeros(1))


def test_state_loads_into_an_unfitted_density_with_weights_only(md_train):
    fitted, fresh = LabelDensity().fit(md_train), LabelDensity()
    file = io.BytesIO()
    torch.save(fitted.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    md_db = torch.linspace(-20, 0, 11)
    assert torch.equal(fresh.rarity(md_db, 0.5), fitted.rarity(md_db, 0.5))
    assert torch.equal(fresh.cdf(md_db), fitted.cdf(md_db))


@pytest.mark.parametrize("labels", [[], [-1.0, float("nan")], [float("inf")]])
def test_labels_that_cannot_be_fitted_are_refused(labels):
    with pytest.raises(InputError, match="md_db_train"):
        LabelDensity().fit(labels)


@pytest.mark.parametrize("bandwidth_db", [0.0, -1.0, float("nan"), "1e-3"])
def test_a_bandwidth_that_is_no_positive_number_is_refused(bandwidth_db):
    with pytest.raises(InputError, match="bandwidth_db"):
        LabelDensity(bandwidth_db)


def test_rarity_weight_is_the_densitys_rarity_and_uniform_weight_is_one(md_train):
    density = LabelDensity().fit(md_train)
    md_db = torch.linspace(-20, 0, 6).view(6, 1)
    assert torch.equal(RarityWeight(density, 0.5)(md_db), density.rarity(md_db, 0.5))
    assert torch.equal(RarityWeight(density, 0.0)(md_db), UniformWeight()(md_db))
    assert torch.equal(UniformWeight()(md_db), torch.ones(6, 1))
    with pytest.raises(InputError, match="power"):
        RarityWeight(density, -0.5)


def test_fit_gives_no_warning(md_train):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LabelDensity().fit(torch.from_numpy(md_train.copy()))
