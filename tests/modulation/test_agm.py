"""AGM's factors: hand values, limiting cases, its state."""

import math

import numpy as np
import pytest

from bundle.errors import InputError
from bundle.modulation.agm import AdaptiveModulation


def test_hand_value():
    """s = (.4, .6) and then (.2, .6): S = (.3, .6), r*_o = e^.3, r_o = e^.4, and the reciprocals for the fundus."""
    agm = AdaptiveModulation(alpha=2.0)
    assert agm.coefficients({"oct": 0.4, "fundus": 0.6}) == {"oct": 1.0, "fundus": 1.0}
    kappa = agm.coefficients({"oct": 0.2, "fundus": 0.6})
    expected = {
        "oct": math.exp(2 * (math.exp(0.3) - math.exp(0.4))),
        "fundus": math.exp(2 * (math.exp(-0.3) - math.exp(-0.4))),
    }
    assert kappa == pytest.approx(expected, rel=1e-12)


def test_reference_is_the_mean_over_all_batches_so_far():
    rng = np.random.default_rng(0)
    scores, agm = rng.uniform(0.1, 1.0, (50, 2)), AdaptiveModulation(alpha=0.5)
    for t, (oct_, fundus) in enumerate(scores, start=1):
        kappa = agm.coefficients({"oct": oct_, "fundus": fundus})
        mean = scores[:t].mean(axis=0)
        assert kappa["oct"] == pytest.approx(math.exp(0.5 * (math.exp(mean[1] - mean[0]) - math.exp(fundus - oct_))))


def test_equal_scores_give_equal_factors():
    agm = AdaptiveModulation(alpha=1.0)
    for s in (0.9, 0.3, 0.5):
        assert agm.coefficients({"oct": s, "fundus": s}) == {"oct": 1.0, "fundus": 1.0}


def test_alpha_zero_gives_one():
    agm = AdaptiveModulation(alpha=0.0)
    for s in (0.9, 0.3, 40.0):
        assert agm.coefficients({"oct": s, "fundus": 0.5}) == {"oct": 1.0, "fundus": 1.0}


def test_more_than_usually_ahead_is_slowed_down_and_the_other_sped_up():
    agm = AdaptiveModulation(alpha=1.0)
    agm.coefficients({"oct": 0.5, "fundus": 0.5})
    kappa = agm.coefficients({"oct": 0.1, "fundus": 0.5})
    assert kappa["oct"] < 1 < kappa["fundus"]


def test_three_modalities_are_compared_with_the_mean_of_the_others():
    agm = AdaptiveModulation(alpha=1.0)
    agm.coefficients({"oct": 0.5, "fundus": 0.5, "angiography": 0.5})
    kappa = agm.coefficients({"oct": 0.1, "fundus": 0.4, "angiography": 0.8})
    mean = {"oct": 0.3, "fundus": 0.45, "angiography": 0.65}
    expected = math.exp(math.exp((0.45 + 0.65) / 2 - mean["oct"]) - math.exp((0.4 + 0.8) / 2 - 0.1))
    assert kappa["oct"] == pytest.approx(expected)


def test_difference_of_the_ratios_is_capped_at_ten_and_huge_scores_stay_finite():
    """S_o = 5e5 takes r*_f to any height: kappa_f = e^(10 alpha); r*_o = 0 leaves kappa_o = e^(-alpha r_o)."""
    agm = AdaptiveModulation(alpha=0.5)
    agm.coefficients({"oct": 1e6, "fundus": 0.0})
    kappa = agm.coefficients({"oct": 0.0, "fundus": 0.0})
    assert kappa == pytest.approx({"oct": math.exp(-0.5), "fundus": math.exp(5.0)})


@pytest.mark.parametrize("nll", [{"oct": 0.3}, {"oct": 0.3, "fundus": math.nan}, {"oct": math.inf, "fundus": 1.0}, {}])
def test_a_batch_that_cannot_be_compared_gives_one_and_leaves_the_means(nll):
    agm = AdaptiveModulation(alpha=1.0)
    agm.coefficients({"oct": 0.4, "fundus": 0.6})
    before = agm.state_dict()
    assert agm.coefficients(nll) == dict.fromkeys(nll, 1.0)
    assert agm.state_dict() == before


def test_goes_on_from_its_state():
    one, other = AdaptiveModulation(alpha=1.0), AdaptiveModulation(alpha=1.0)
    for s in (0.2, 0.7):
        one.coefficients({"oct": s, "fundus": 0.5})
    other.load_state_dict(one.state_dict())
    assert other.coefficients({"oct": 0.1, "fundus": 0.3}) == one.coefficients({"oct": 0.1, "fundus": 0.3})
    with pytest.raises(InputError, match="AdaptiveModulation: found the keys"):
        other.load_state_dict({"values": {}})


def test_a_negative_alpha_is_named():
    with pytest.raises(InputError, match=r"^alpha: found"):
        AdaptiveModulation(alpha=-0.1)
