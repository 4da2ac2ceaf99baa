"""The prime learning window: hand values, its first epochs, its state."""

import math

import pytest

from bundle.errors import InputError
from bundle.modulation.prime_window import PrimeLearningWindow


def opened(traces, **settings):
    """Whether the epoch after each of them lies in the window."""
    window, found = PrimeLearningWindow(**settings), []
    for trace in traces:
        window.add({"oct": trace})
        found.append(window.is_open("oct"))
    return found


def test_hand_value():
    """Means of two: 1.5, 2.5, 2.95, 3: relative rises .4, .153, .017."""
    traces = [1.0, 2.0, 3.0, 2.9, 3.1]
    assert opened(traces, epochs=2, threshold=0.05) == [True, True, True, True, False]
    assert opened(traces, epochs=2, threshold=0.16) == [True, True, True, False, False]


def test_open_until_two_means_are_complete():
    assert PrimeLearningWindow().is_open("oct")
    assert opened([1.0] * 7, epochs=4) == [True] * 4 + [False] * 3


def test_falling_and_vanishing_traces_close_it():
    assert opened([2.0, 1.0, 0.0, 0.0], epochs=1) == [True, False, False, False]


def test_rising_again_opens_it_again():
    assert opened([2.0, 1.0, 1.5], epochs=1) == [True, False, True]


def test_scale_of_the_traces_does_not_matter():
    traces = [1.0, 1.2, 1.25, 1.3, 1.1, 1.4]
    assert opened(traces, epochs=2) == opened([1e6 * t for t in traces], epochs=2)


def test_a_trace_that_is_not_finite_is_left_out():
    assert opened([1.0, math.nan, 2.0], epochs=1) == [True, True, True]


def test_each_modality_has_its_own():
    window = PrimeLearningWindow(epochs=1)
    for oct_, fundus in ((1.0, 2.0), (2.0, 1.0)):
        window.add({"oct": oct_, "fundus": fundus})
    assert (window.is_open("oct"), window.is_open("fundus")) == (True, False)


def test_goes_on_from_its_state():
    one, other = PrimeLearningWindow(epochs=3), PrimeLearningWindow(epochs=3)
    for trace in (1.0, 2.0, 4.0, 5.0, 5.1):
        one.add({"oct": trace})
    other.load_state_dict(one.state_dict())
    for trace in (5.2, 9.0, 5.0, 4.0):
        one.add({"oct": trace})
        other.add({"oct": trace})
        assert one.is_open("oct") == other.is_open("oct")
    assert one.state_dict() == other.state_dict()
    with pytest.raises(InputError, match="PrimeLearningWindow: found the keys"):
        other.load_state_dict({"values": {}})


def test_an_argument_outside_its_range_is_named():
    with pytest.raises(InputError, match=r"^epochs: found"):
        PrimeLearningWindow(epochs=0)
