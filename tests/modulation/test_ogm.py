"""OGM: hand values, limiting cases, and what it does to the OCT encoder."""

import math

import numpy as np
import pytest

from bundle.errors import InputError
from bundle.modulation import OGMModulator
from bundle.modulation.likelihood import likelihood_scores, others_mean
from tests.modulation.encoder_step import MODES, assert_conv3d_moves_k_times_as_far


def errors_of(**scores):
    """e_m whose scores exp(-e_m / 2) are these."""
    return {m: -2 * math.log(s) for m, s in scores.items()}


def test_hand_value():
    """alpha .5, s = (.8, .4): rho = 2, k = 1 - tanh(1)."""
    k = OGMModulator(alpha=0.5).coefficients(errors_of(oct=0.8, fundus=0.4), {})
    assert k == pytest.approx({"oct": 0.2384058, "fundus": 1.0}, abs=1e-7)


def test_score_is_the_geometric_mean_of_the_gaussian_likelihoods():
    rng = np.random.default_rng(0)
    sd_db = 4.0
    residuals_db = {"oct": rng.normal(0, 2, 50), "fundus": rng.normal(0, 5, 50)}
    likelihoods = {m: np.exp(-(r**2) / (2 * sd_db**2)) for m, r in residuals_db.items()}
    geometric = {m: float(np.exp(np.log(p).mean())) for m, p in likelihoods.items()}
    scores = likelihood_scores({m: float((r**2).mean() / sd_db**2) for m, r in residuals_db.items()})
    assert scores["fundus"] / scores["oct"] == pytest.approx(geometric["fundus"] / geometric["oct"], rel=1e-12)
    assert all(geometric[m] <= p.mean() for m, p in likelihoods.items())


def test_alpha_zero_modulates_nothing():
    assert OGMModulator(alpha=0.0).coefficients({"oct": 0.1, "fundus": 3.0}, {}) == {"oct": 1.0, "fundus": 1.0}


def test_level_modalities_keep_one():
    assert OGMModulator(alpha=0.8).coefficients({"oct": 0.7, "fundus": 0.7}, {}) == {"oct": 1.0, "fundus": 1.0}


@pytest.mark.parametrize(("alpha", "just_above"), [(0.3, 0.709), (0.8, 0.336)])
def test_the_factor_jumps_at_balance_as_published(alpha, just_above):
    k = OGMModulator(alpha=alpha).coefficients({"oct": 0.7, "fundus": 0.7 + 1e-9}, {})
    assert k["oct"] == pytest.approx(just_above, abs=5e-4)


def test_swapping_the_modalities_swaps_the_factors():
    ogm = OGMModulator(alpha=0.5)
    k, swapped = ogm.coefficients({"oct": 0.2, "fundus": 0.9}, {}), ogm.coefficients({"oct": 0.9, "fundus": 0.2}, {})
    assert (k["oct"], k["fundus"]) == (swapped["fundus"], swapped["oct"])


def test_three_modalities_are_compared_with_the_mean_of_the_others():
    k = OGMModulator(alpha=0.5).coefficients(errors_of(oct=0.8, fundus=0.4, angiography=0.6), {})
    assert k == pytest.approx({"oct": 1 - math.tanh(0.5 * 0.8 / 0.5), "fundus": 1.0, "angiography": 1.0})


def test_enormous_errors_keep_the_factor_positive():
    """Early in training, or after divergence, exp(-e/2) underflows."""
    assert OGMModulator(alpha=0.5).coefficients({"oct": 1.0, "fundus": 1e6}, {}) == {"oct": 1e-3, "fundus": 1.0}
    k = OGMModulator(alpha=0.5).coefficients({"oct": 5e5, "fundus": 5e5 + 1}, {})
    assert k["oct"] == pytest.approx(1 - math.tanh(0.5 * math.exp(0.5)))


@pytest.mark.parametrize("error", [{"oct": 0.3}, {"oct": 0.3, "fundus": math.nan}, {}])
def test_a_modality_without_company_keeps_one(error):
    assert OGMModulator(alpha=0.5).coefficients(error, {}) == dict.fromkeys(error, 1.0)
    assert others_mean({"oct": 1.0}, "oct") is None


@pytest.mark.parametrize("apply_to", MODES)
def test_the_oct_encoders_conv3d_weights_are_modulated(apply_to):
    assert_conv3d_moves_k_times_as_far(OGMModulator(alpha=0.3), apply_to)


@pytest.mark.parametrize("alpha", [-0.1, math.inf, math.nan])
def test_an_alpha_outside_its_range_is_named(alpha):
    with pytest.raises(InputError, match=r"^alpha: found"):
        OGMModulator(alpha=alpha)
