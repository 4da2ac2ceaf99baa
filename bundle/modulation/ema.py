"""Running means of named numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bundle.errors import InputError
from bundle.losses.arguments import check_number


class Ema:
    """Exponential running mean of named numbers: x <- decay x + (1 - decay) new.

    The first value of a name is taken as it is, so there is no pull towards 0 to correct for. A name that is absent
    from an update, or not finite in it (an infinite value would never leave the mean), keeps its mean.

    Args:
        decay: mu in [0, 1); 0 keeps the latest value.

    Raises:
        InputError: `decay` is outside [0, 1).

    Example:
        >>> ema = Ema(decay=0.5)
        >>> ema.update({"oct": 4.0})
        {'oct': 4.0}
        >>> ema.update({"oct": 2.0, "fundus": float("nan")})
        {'oct': 3.0}
    """

    def __init__(self, decay: float) -> None:
        self.decay = check_number("decay", decay, 0, 1, high_open=True)
        self._values: dict[str, float] = {}

    @property
    def values(self) -> dict[str, float]:
        """A copy of the running means; a name that never had a value is absent."""
        return dict(self._values)

    def update(self, new: Mapping[str, float]) -> dict[str, float]:
        """Take in new numbers; returns the running means."""
        for name, value in new.items():
            if not math.isfinite(value):
                continue
            old = self._values.get(name, float(value))
            self._values[name] = self.decay * old + (1 - self.decay) * float(value)
        return self.values

    def state_dict(self) -> dict[str, Any]:
        """The running means, as plain numbers. The decay is a setting, not state."""
        return {"values": self.values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from stored means.

        Raises:
            InputError: the state is not one of this class.
        """
        if "values" not in state:
            raise InputError(f"running mean: found the keys {sorted(state)}, expected 'values'")
        self._values = {str(name): float(value) for name, value in state["values"].items()}
