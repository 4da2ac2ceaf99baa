"""MONAI's early stopping with a state that survives a resumed run."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine
from monai.handlers import EarlyStopHandler as MonaiEarlyStopHandler


class EarlyStopHandler(MonaiEarlyStopHandler):
    """Stops the trainer it is attached to when a column of the history has not fallen for `patience` epochs.

    Args:
        patience: epochs; 0 never stops.
        metric: column of the history, lower is better.

    Raises:
        KeyError: the history has no such column.
    """

    def __init__(self, patience: int, metric: str = "val_mse") -> None:
        super().__init__(patience=max(patience, 1), score_function=self._score)
        self.enabled, self.metric = patience > 0, metric

    def _score(self, engine: Engine) -> float:
        row = engine.state.history.rows[-1]
        if self.metric not in row:
            raise KeyError(f"EarlyStopHandler: no column {self.metric!r} in the history; found {sorted(row)}")
        return -row[self.metric]

    def attach(self, engine: Engine) -> None:
        if self.enabled:
            self.set_trainer(engine)
            super().attach(engine)

    def state_dict(self) -> dict[str, Any]:
        return dict(self._handler.state_dict()) if self._handler else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._handler and state:
            self._handler.load_state_dict(state)
