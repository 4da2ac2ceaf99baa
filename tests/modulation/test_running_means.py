"""Ema and SharpnessMeter: values, gaps, state."""

import io
import math

import pytest
import torch

from bundle.errors import InputError
from bundle.modulation import Ema, SharpnessMeter, relative_sharpness

NAN = float("nan")


def test_first_value_initialises_and_the_rest_decays():
    ema = Ema(0.9)
    assert ema.update({"oct": 2.0}) == {"oct": 2.0}
    assert ema.update({"oct": 4.0})["oct"] == pytest.approx(0.9 * 2 + 0.1 * 4)


def test_a_constant_stays_constant_from_the_first_step():
    ema = Ema(0.99)
    assert all(ema.update({"oct": 3.0})["oct"] == pytest.approx(3.0, rel=1e-12) for _ in range(20))


@pytest.mark.parametrize("gap", [{}, {"oct": NAN}, {"oct": math.inf}])
def test_a_gap_keeps_the_mean(gap):
    ema = Ema(0.5)
    ema.update({"oct": 2.0})
    assert ema.update(gap) == {"oct": 2.0}


def test_a_gap_at_the_start_leaves_the_first_value_to_come():
    ema = Ema(0.5)
    assert ema.update({"oct": NAN}) == {}
    assert ema.update({"oct": 2.0}) == {"oct": 2.0}


def test_returned_values_are_a_copy():
    ema = Ema(0.5)
    ema.update({"oct": 2.0})["oct"] = 99.0
    assert ema.values == {"oct": 2.0}


@pytest.mark.parametrize("kind", [Ema, SharpnessMeter])
def test_save_load_go_on_equals_never_stopped(kind):
    through, saved, loaded = kind(0.9), kind(0.9), kind(0.9)
    for ema in (through, saved):
        ema.update({"oct": 2.0, "fundus": 1.0})
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for ema in (through, loaded):
        ema.update({"oct": 5.0})
    assert loaded.values == through.values


def test_a_state_of_something_else_is_refused():
    with pytest.raises(InputError, match="values"):
        Ema(0.9).load_state_dict({"decay": 0.9})


@pytest.mark.parametrize("decay", [-0.1, 1.0, NAN])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(InputError, match="decay"):
        Ema(decay)


def test_sharpness_by_hand():
    s = relative_sharpness({"oct": 0.5, "fundus": 1.0}, {"oct": 0.6, "fundus": 0.9}, {"oct": 0.8, "fundus": 0.6}, 0.05)
    assert s["oct"] == pytest.approx(0.1 / (0.05 * 0.8 * 0.501))
    assert s["fundus"] == 0.0


def test_sharpness_of_a_quadratic_tends_to_its_relative_slope():
    """l = c w^2 / 2 along its gradient: S -> |l'| / l as rho -> 0."""
    w, c, rho = 0.7, 3.0, 1e-6
    before, after = c * w**2 / 2, c * (w + rho) ** 2 / 2
    s = relative_sharpness({"oct": before}, {"oct": after}, {"oct": 1.0}, rho, floor=0.0)
    assert s["oct"] == pytest.approx(c * w / before, rel=1e-4)


@pytest.mark.parametrize(
    ("before", "after", "share", "rho"),
    [(NAN, 1.0, 0.5, 0.1), (1.0, NAN, 0.5, 0.1), (1.0, math.inf, 0.5, 0.1), (1.0, 2.0, 0.0, 0.1), (1.0, 2.0, 0.5, 0.0)],
)
def test_sharpness_without_meaning_is_nan_and_skipped(before, after, share, rho):
    arguments = {"oct": before}, {"oct": after}, {"oct": share}, rho
    assert math.isnan(relative_sharpness(*arguments)["oct"])
    meter = SharpnessMeter(0.9)
    meter.update({"oct": 4.0})
    assert meter.measure(*arguments) == {"oct": 4.0}


def test_a_modality_absent_from_the_second_pass_or_the_shares_is_skipped():
    meter = SharpnessMeter(0.9)
    assert meter.measure({"oct": 1.0, "fundus": 1.0}, {"oct": 1.1}, {"oct": 1.0}, 0.1) == {
        "oct": pytest.approx(0.1 / (0.1 * 1.001))
    }
