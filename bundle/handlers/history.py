"""One row an epoch of everything that was measured: the single source of plots, MLflow and early stopping."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bundle.engines.distributed import rank
from bundle.reporting.history import History

VALIDATION_PREFIX = "val_"


class HistoryHandler:
    """Means of the steps' `scalars` and the validation metrics, as a row of `history.csv` at EPOCH_COMPLETED.

    Attach it after the ValidationHandler: it reads the evaluator's metrics of this epoch.

    Args:
        output_dir: folder of history.csv.
        validator: the evaluator whose `state.metrics` belong to the row; None for none.

    `engine.state.history` is the `History`; its last row has `epoch`, `seconds`, `lr`, `train_loss`, the scalars'
    means (`k_oct`, `sharpness_oct`, `share_oct`, `cosine_oct`, ...), `skipped_steps` and the `val_` metrics.
    """

    def __init__(self, output_dir: str, validator: Engine | None = None) -> None:
        self.path, self.validator = Path(output_dir) / "history.csv", validator
        self.history = History()
        self._sums: dict[str, list[float]] = {}
        self._skipped = 0

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._row)

    def _start(self, engine: Engine) -> None:
        engine.state.history = self.history

    def _reset(self, engine: Engine) -> None:
        self._sums, self._skipped, self._began = {}, 0, time.perf_counter()

    def _collect(self, engine: Engine) -> None:
        output = engine.state.output
        self._skipped += bool(output["skipped"])
        for name, value in output["scalars"].items():
            if math.isfinite(value):
                self._sums.setdefault(name, []).append(value)

    def _row(self, engine: Any) -> None:
        means = {name: math.fsum(values) / len(values) for name, values in self._sums.items()}
        row: dict[str, float | None] = {
            "epoch": engine.state.epoch,
            "seconds": time.perf_counter() - self._began,
            "lr": engine.optimizer.param_groups[0]["lr"],
            "train_loss": means.pop("loss", None),
            **means,
            "skipped_steps": self._skipped,
        }
        if self.validator is not None and self.validator.state.epoch == engine.state.epoch:
            row |= {name: float(value) for name, value in self.validator.state.metrics.items()}
        self.history.append(row)
        if rank() == 0:
            self.history.to_csv(self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [dict(row) for row in self.history]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # in place: other handlers hold this object
        self.history.rows[:] = History(state["rows"]).rows
