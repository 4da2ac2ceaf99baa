"""Checks on the arguments a config can set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

from bundle.errors import InputError


def check_number(
    name: str,
    value: float,
    low: float,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return `value` as a float if it lies between `low` and `high`.

    Args:
        name: the argument's name, for the message.
        value: what the config holds. A string is refused: YAML reads `1e-3` as text, `1.0e-3` as a number.
        low, high: the ends of the range; `high` may be infinite.
        low_open, high_open: the end itself is outside the range.

    Raises:
        InputError: `value` is no number, is NaN, or lies outside the range.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    excluded = (low_open and value == low) or (high_open and value == high)
    if not is_number or excluded or not low <= value <= high:
        interval = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open or math.isinf(high) else ']'}"
        raise InputError(f"{name}: found {value!r}, expected a number in {interval}")
    return float(value)


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`.

    Raises:
        InputError: it is not.
    """
    if value not in choices:
        raise InputError(f"{name}: found {value!r}, expected one of {', '.join(map(repr, choices))}")
    return value
