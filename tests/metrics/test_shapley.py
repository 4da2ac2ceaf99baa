import itertools
import math

import numpy as np
import pytest

from bundle.metrics import shapley_shares


@pytest.fixture
def answers() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    label = -generator.gamma(1.0, 6.0, 300)
    noise = {"fused": 2.0, "oct": 3.0, "fundus": 4.5}
    return {"label": label, **{name: label + generator.normal(0, sd, 300) for name, sd in noise.items()}}


def shares(answers, constant_db=None):
    return shapley_shares(answers["fused"], answers["oct"], answers["fundus"], answers["label"], constant_db)


@pytest.mark.parametrize("constant_db", [None, -4.0])
def test_efficiency_the_shares_add_up_to_the_gain(answers, constant_db) -> None:
    found = shares(answers, constant_db)
    label = answers["label"]
    none = label.mean() if constant_db is None else constant_db
    gain = (np.mean((none - label) ** 2) - np.mean((answers["fused"] - label) ** 2)) / label.var()
    assert found.phi_oct + found.phi_fundus == pytest.approx(gain, rel=1e-12)
    assert found.gain == pytest.approx(gain, rel=1e-12)


def test_equals_the_mean_contribution_over_the_orders_of_arrival(answers) -> None:
    label = answers["label"]
    value = {
        frozenset(): -1.0,
        frozenset({"oct"}): -np.mean((answers["oct"] - label) ** 2) / label.var(),
        frozenset({"fundus"}): -np.mean((answers["fundus"] - label) ** 2) / label.var(),
        frozenset({"oct", "fundus"}): -np.mean((answers["fused"] - label) ** 2) / label.var(),
    }
    phi = {"oct": 0.0, "fundus": 0.0}
    for order in itertools.permutations(phi):
        for place, player in enumerate(order):
            phi[player] += (value[frozenset(order[: place + 1])] - value[frozenset(order[:place])]) / 2
    found = shares(answers)
    assert (found.phi_oct, found.phi_fundus) == pytest.approx((phi["oct"], phi["fundus"]))


def test_symmetry_equal_modalities_get_equal_shares(answers) -> None:
    found = shapley_shares(answers["fused"], answers["oct"], answers["oct"], answers["label"])
    assert found.phi_oct == pytest.approx(found.phi_fundus)
    assert found.imbalance == pytest.approx(0.0)


def test_a_modality_that_adds_nothing_gets_nothing(answers) -> None:
    constant = np.full(300, answers["label"].mean())
    found = shapley_shares(answers["oct"], answers["oct"], constant, answers["label"])
    assert found.phi_fundus == pytest.approx(0.0, abs=1e-12)
    assert found.imbalance == pytest.approx(1.0)


def test_swapping_modalities_flips_the_sign_of_imbalance(answers) -> None:
    swapped = shapley_shares(answers["fused"], answers["fundus"], answers["oct"], answers["label"])
    assert swapped.imbalance == pytest.approx(-shares(answers).imbalance)


@pytest.mark.parametrize("label", [[], [-3.0, -3.0]])
def test_undefined_without_spread(label) -> None:
    assert math.isnan(shapley_shares(label, label, label, label).phi_oct)


def test_a_missing_modality_is_refused(answers) -> None:
    answers["fundus"][4] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        shares(answers)
