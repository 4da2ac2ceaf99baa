"""MONAI's early stopping with a state that survives a resumed run."""

from __future__ import annotations

import math
from typing import Any

from ignite.engine import Engine
from monai.handlers import EarlyStopHandler as MonaiEarlyStopHandler

from bundle.handlers.history import VALIDATION_PREFIX


class EarlyStopHandler(MonaiEarlyStopHandler):
    """Stops the trainer it is attached to when a column of the history has not fallen for `patience` validations.

    An epoch without validation does not count; a value that is not finite counts as no better.

    Args:
        patience: validated epochs; 0 never stops.
        metric: column of the history, lower is better.

    Raises:
        KeyError: a validated epoch has no such column.
    """

    def __init__(self, patience: int, metric: str = "val_mse") -> None:
        super().__init__(patience=max(patience, 1), score_function=self._score)
        self.enabled, self.metric = patience > 0, metric

    def __call__(self, engine: Engine) -> None:
        row = engine.state.history.rows[-1]
        if self.metric in row:
            super().__call__(engine)
        elif any(name.startswith(VALIDATION_PREFIX) for name in row):
            raise KeyError(f"EarlyStopHandler: no column {self.metric!r} in the history; found {sorted(row)}")

    def _score(self, engine: Engine) -> float:
        value = engine.state.history.rows[-1][self.metric]
        return -value if math.isfinite(value) else -math.inf

    def attach(self, engine: Engine) -> None:
        if self.enabled:
            self.set_trainer(engine)
            super().attach(engine)

    def state_dict(self) -> dict[str, Any]:
        return dict(self._handler.state_dict()) if self._handler else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._handler and state:
            self._handler.load_state_dict(state)
