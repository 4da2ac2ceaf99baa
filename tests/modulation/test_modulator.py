"""BalanceModulator: formula, symmetry, bounds, direction."""

import math

import numpy as np
import pytest

from bundle.errors import InputError
from bundle.modulation import BalanceModulator, NoModulation

ERROR = {"oct": 0.2, "fundus": 0.7}
SHARPNESS = {"oct": 5.0, "fundus": 1.5}


@pytest.mark.parametrize("names", [("oct", "fundus"), ("oct", "fundus", "field")])
def test_coefficients_equal_the_formula(names):
    rng = np.random.default_rng(0)
    e, s = rng.uniform(0.05, 2, (2, len(names)))
    t = 0.8 * (np.log(e) - np.log(e).mean()) - 0.3 * (np.log(s) - np.log(s).mean())
    expected = np.exp(np.log(2.5) * np.tanh(t / np.log(2.5)))
    modulator = BalanceModulator(error_power=0.8, sharpness_power=0.3, k_max=2.5)
    k = modulator.coefficients(dict(zip(names, e, strict=True)), dict(zip(names, s, strict=True)))
    assert list(k) == list(names)
    assert list(k.values()) == pytest.approx(expected, rel=1e-12)


def test_product_is_one_for_two_modalities():
    k = BalanceModulator().coefficients(ERROR, SHARPNESS)
    assert k["oct"] * k["fundus"] == pytest.approx(1, rel=1e-12)
    assert k["oct"] != pytest.approx(1)


def test_equal_scores_give_one():
    equal = {"oct": 0.37, "fundus": 0.37, "field": 0.37}
    assert BalanceModulator().coefficients(equal, equal) == pytest.approx(dict.fromkeys(equal, 1.0), rel=1e-12)


def test_swapping_the_modalities_swaps_the_coefficients():
    def swap(values):
        return {"oct": values["fundus"], "fundus": values["oct"]}

    modulator = BalanceModulator()
    swapped = modulator.coefficients(swap(ERROR), swap(SHARPNESS))
    assert swapped == pytest.approx(swap(modulator.coefficients(ERROR, SHARPNESS)), rel=1e-12)


def test_the_under_trained_modality_is_sped_up():
    k = BalanceModulator().coefficients(ERROR, {})
    assert k["fundus"] > 1 > k["oct"]


def test_the_sharp_modality_is_slowed_down():
    k = BalanceModulator().coefficients(dict.fromkeys(ERROR, 0.3), SHARPNESS)
    assert k["fundus"] > 1 > k["oct"]


@pytest.mark.parametrize("k_max", [1.5, 3.0])
def test_coefficients_stay_within_the_bound(k_max):
    modulator = BalanceModulator(error_power=2.0, sharpness_power=1.0, k_max=k_max)
    k = modulator.coefficients({"oct": 1e9, "fundus": 0.0}, {"oct": 0.0, "fundus": 1e9})
    assert k["oct"] == pytest.approx(k_max, rel=1e-3)
    assert max(k.values()) <= k_max * (1 + 1e-12)
    assert min(k.values()) >= (1 - 1e-12) / k_max


def test_error_below_the_floor_counts_as_the_floor():
    modulator = BalanceModulator(error_floor=0.1)
    assert modulator.coefficients({"oct": 0.0, "fundus": 1.0}, {}) == modulator.coefficients(
        {"oct": 0.1, "fundus": 1.0}, {}
    )


def test_the_unit_of_sharpness_does_not_matter():
    modulator = BalanceModulator()
    scaled = {name: 1e-7 * s for name, s in SHARPNESS.items()}
    assert modulator.coefficients(ERROR, scaled) == pytest.approx(modulator.coefficients(ERROR, SHARPNESS), rel=1e-9)


def test_zero_sharpness_of_one_modality_is_finite_and_of_all_is_neutral():
    modulator = BalanceModulator()
    one = modulator.coefficients(dict.fromkeys(ERROR, 0.3), {"oct": 0.0, "fundus": 2.0})
    assert all(math.isfinite(k) for k in one.values())
    assert one["oct"] > 1
    assert modulator.coefficients(ERROR, dict.fromkeys(ERROR, 0.0)) == modulator.coefficients(ERROR, {})


def test_a_modality_without_a_measurement_is_neutral():
    modulator = BalanceModulator()
    unknown = modulator.coefficients({"oct": math.nan, "fundus": 0.5}, {"fundus": 3.0})
    assert unknown == {"oct": 1.0, "fundus": 1.0}
    assert modulator.coefficients({}, {}) == {}


def test_powers_of_zero_and_no_modulation_are_one():
    assert BalanceModulator(error_power=0, sharpness_power=0).coefficients(ERROR, SHARPNESS) == {
        "oct": 1.0,
        "fundus": 1.0,
    }
    assert NoModulation().coefficients(ERROR, SHARPNESS) == {"oct": 1.0, "fundus": 1.0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("error_power", -1.0),
        ("sharpness_power", math.nan),
        ("k_max", 1.0),
        ("error_floor", 0.0),
        *((name, math.inf) for name in ("error_power", "sharpness_power", "k_max", "error_floor")),
    ],
)
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        BalanceModulator(**{name: value})
