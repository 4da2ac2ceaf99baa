"""CGGM's modulating part: hand values, the identities of B, what the window and the clamp remove, its state."""

import math

import pytest

from bundle.errors import InputError
from bundle.handlers import RebalancingHandler
from bundle.modulation import BalanceModulator, CGGMModulator
from tests.modulation.encoder_step import MODES, assert_conv3d_moves_k_times_as_far
from tests.toy import adamw, largest_difference, toy_batches, toy_network, toy_trainer


def factors(gain, **settings):
    """k after the errors fell by `gain` over a window of one step."""
    cggm = CGGMModulator(**({"scale": 1.0, "window": 1} | settings))
    cggm.coefficients(dict.fromkeys(gain, 2.0), {})
    return cggm.coefficients({m: 2.0 - d for m, d in gain.items()}, {})


def test_hand_value():
    """D = (.3, .1): B = (.1, .3) / .4."""
    assert factors({"oct": 0.3, "fundus": 0.1}) == pytest.approx({"oct": 0.25, "fundus": 0.75})


def test_scale_multiplies():
    assert factors({"oct": 0.3, "fundus": 0.1}, scale=1.3) == pytest.approx({"oct": 0.325, "fundus": 0.975})


@pytest.mark.parametrize("gains", [(0.3, 0.1), (0.2, 0.1, 0.4), (0.1, 0.1, 0.2, 0.2)])
def test_b_sums_to_the_number_of_modalities_less_one(gains):
    b = factors({f"m{i}": d for i, d in enumerate(gains)})
    assert math.fsum(b.values()) == pytest.approx(len(gains) - 1)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_equal_improvements_give_equal_b(count):
    assert factors({f"m{i}": 0.2 for i in range(count)}) == pytest.approx(
        {f"m{i}": (count - 1) / count for i in range(count)}
    )


def test_renormalised_equal_improvements_leave_the_learning_rate():
    assert factors({"oct": 0.2, "fundus": 0.2}, renormalize=True) == pytest.approx({"oct": 1.0, "fundus": 1.0})
    assert factors({"oct": 0.3, "fundus": 0.1}, renormalize=True) == pytest.approx({"oct": 0.5, "fundus": 1.5})


def test_nearly_cancelling_improvements_neither_explode_nor_climb():
    """D = (.3, -.29): the publication's B is (-29, 30)."""
    assert factors({"oct": 0.3, "fundus": -0.29}) == pytest.approx({"oct": 1e-3, "fundus": 1.0})


@pytest.mark.parametrize("gain", [{"oct": 0.0, "fundus": 0.0}, {"oct": 0.25, "fundus": -0.25}])
def test_improvements_that_cancel_count_as_equal(gain):
    assert factors(gain) == {"oct": 0.5, "fundus": 0.5}


def test_improvement_is_measured_over_the_window():
    cggm, errors = CGGMModulator(scale=1.0, window=3), [2.0, 1.9, 1.5, 1.4, 1.3]
    seen = [cggm.coefficients({"oct": e, "fundus": 2.0 - 0.1 * t}, {}) for t, e in enumerate(errors)]
    for early in seen[:3]:
        assert early == {"oct": 0.5, "fundus": 0.5}
    assert seen[3]["oct"] == pytest.approx(0.3 / 0.9)
    assert seen[4]["oct"] == pytest.approx(0.3 / 0.9)
    assert seen[4]["fundus"] == pytest.approx(0.6 / 0.9)


@pytest.mark.parametrize("error", [{"oct": 0.3}, {"oct": 0.3, "fundus": math.nan}, {}])
def test_a_modality_without_company_keeps_one(error):
    cggm = CGGMModulator(window=1)
    for _ in range(3):
        assert cggm.coefficients(error, {}) == dict.fromkeys(error, 1.0)


def test_a_modality_that_appears_later_joins_when_the_window_covers_it():
    cggm = CGGMModulator(scale=1.0, window=2)
    cggm.coefficients({"oct": 2.0}, {})
    assert cggm.coefficients({"oct": 1.9, "fundus": 2.0}, {}) == {"oct": 1.0, "fundus": 1.0}
    cggm.coefficients({"oct": 1.8, "fundus": 1.9}, {})
    assert cggm.coefficients({"oct": 1.6, "fundus": 1.9}, {}) == pytest.approx({"oct": 0.25, "fundus": 0.75})


def modulator_ahead():
    """OCT has improved three times as much as fundus, and far more than the next step can."""
    cggm = CGGMModulator(scale=1.0, window=1)
    cggm.load_state_dict({"errors": [{"oct": 1e6 * 3, "fundus": 1e6}]})
    return cggm


@pytest.mark.parametrize("apply_to", MODES)
def test_the_oct_encoders_conv3d_weights_are_modulated(apply_to):
    assert_conv3d_moves_k_times_as_far(modulator_ahead(), apply_to, k_oct=0.25)


def test_stopping_and_going_on_is_never_having_stopped():
    def trainer(network, optimizer, handler, batches):
        return toy_trainer(network, batches, optimizer, [handler])

    def parts():
        network = toy_network(probe_heads=True)
        return network, adamw(network), RebalancingHandler(modulator=CGGMModulator(window=3))

    batches = toy_batches(8)
    straight = parts()
    trainer(*straight, batches).run()
    first = parts()
    trainer(*first, batches[:4]).run()
    second = parts()
    for new, old in zip(second, first, strict=True):
        new.load_state_dict(old.state_dict())
    trainer(*second, batches[4:]).run()
    assert largest_difference(second[0], straight[0]) == 0.0
    forgetful = parts()
    for new, old in zip(forgetful[:2], first[:2], strict=True):
        new.load_state_dict(old.state_dict())
    forgetful[2].error.load_state_dict(first[2].error.state_dict())
    trainer(*forgetful, batches[4:]).run()
    assert largest_difference(forgetful[0], straight[0]) > 0.0


def test_a_shorter_window_keeps_the_newest_errors():
    long, short = CGGMModulator(window=5), CGGMModulator(window=1)
    for t in range(6):
        long.coefficients({"oct": 2.0 - 0.1 * t, "fundus": 2.0}, {})
    short.load_state_dict(long.state_dict())
    assert short.state_dict()["errors"] == long.state_dict()["errors"][-2:]


def test_a_checkpoint_of_another_modulator_is_refused():
    state = RebalancingHandler(modulator=BalanceModulator()).state_dict()
    with pytest.raises(InputError, match="CGGMModulator: found the keys"):
        RebalancingHandler(modulator=CGGMModulator()).load_state_dict(state)


@pytest.mark.parametrize(("name", "value"), [("scale", 0.0), ("window", 0)])
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        CGGMModulator(**{name: value})
