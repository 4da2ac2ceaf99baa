"""The prime learning window: the epochs in which an encoder still takes in information quickly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bundle.errors import InputError
from bundle.losses.arguments import check_number


class PrimeLearningWindow:
    """Whether the trace of a modality's Fisher information still rises (InfoReg, Huang et al., CVPR 2025).

        open in epoch t + 1 when ( T_t - T_{t-1} ) / T_t > threshold,   T_t = mean of tr over the last `epochs` epochs

    tr of an epoch is the mean over its steps of |g_m|^2, g_m the gradient on the encoder's parameters: an estimate of
    the trace up to a factor, which cancels. Until two means are complete, after `epochs` + 1 epochs, it is open.

    Args:
        epochs: of a mean, >= 1.
        threshold: 0.05 in the publication.

    Raises:
        InputError: an argument is outside its range.

    Example:
        >>> window = PrimeLearningWindow(epochs=1, threshold=0.05)
        >>> for trace in (1.0, 2.0):
        ...     window.add({"oct": trace, "fundus": 1.0})
        >>> window.is_open("oct"), window.is_open("fundus")
        (True, False)
    """

    def __init__(self, epochs: int = 5, threshold: float = 0.05) -> None:
        self.epochs = int(check_number("epochs", epochs, 1, high_open=True))
        self.threshold = check_number("threshold", threshold, -math.inf)
        self._traces: dict[str, list[float]] = {}

    def add(self, traces: Mapping[str, float]) -> None:
        """tr of an epoch by modality; one that is not finite is left out."""
        for name, trace in traces.items():
            if math.isfinite(trace):
                self._traces[name] = [*self._traces.get(name, []), float(trace)][-self.epochs - 1 :]

    def is_open(self, modality: str) -> bool:
        """Whether the epoch that follows lies in the window."""
        traces = self._traces.get(modality, [])
        if len(traces) <= self.epochs:
            return True
        before, now = math.fsum(traces[:-1]), math.fsum(traces[1:])
        return now > 0 and (now - before) / now > self.threshold

    def state_dict(self) -> dict[str, Any]:
        """The traces that means to come depend on, oldest first."""
        return {"traces": {name: list(traces) for name, traces in self._traces.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from stored traces.

        Raises:
            InputError: the state is not one of this class.
        """
        if "traces" not in state:
            raise InputError(f"PrimeLearningWindow: found the keys {sorted(state)}, expected 'traces'")
        self._traces = {str(name): [float(t) for t in traces] for name, traces in state["traces"].items()}
