"""Modulators that remember."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from bundle.modulation.modulator import Modulator


class StatefulModulator(Modulator):
    """A modulator whose factors depend on earlier steps; `RebalancingHandler` puts its state in the checkpoint."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What later factors depend on, as plain numbers and lists. Settings are not state."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a stored state.

        Raises:
            InputError: the state is not one of this class.
        """
