"""Collects an evaluator's predictions, eye by eye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from bundle.data import Cohort
from bundle.deploy.answered import answered_eyes, with_limits
from bundle.deploy.intervals import intervals_beside
from bundle.errors import InputError
from bundle.reporting.predictions import Predictions

KEYS = {"oct+fundus": "pred", "oct": "pred_oct", "fundus": "pred_fundus"}


class PredictionsHandler:
    """At ITERATION_COMPLETED keeps every eye's predictions; at COMPLETED writes predictions.csv.

    Needs decollated output with `pred`, `pred_oct`, `pred_fundus` (1,) and items with `row`.

    Args:
        cohort: gives eye and the anonymous patient number of each row.
        output_dir: folder of the file.
        split: its name, for the CSV; None writes each eye's own split in the cohort.
        model_path: weights of the model that answers; its intervals are in model.json beside them. None: no intervals.

    It can stand in for a report: `history` may be set, and `summary()` has no figures.
    """

    def __init__(
        self, cohort: Cohort, output_dir: str, split: str | None = "test", model_path: str | None = None
    ) -> None:
        self.cohort, self.output_dir, self.split, self.model_path = cohort, Path(output_dir), split, model_path
        self.interval_level: float | None = None
        self.predictions: Predictions | None = None
        self.history: Any = None

    def attach(self, engine: Engine) -> None:
        for event, method in self._events():
            engine.add_event_handler(event, method)

    def detach(self, engine: Engine) -> None:
        """Undo `attach`."""
        for event, method in self._events():
            engine.remove_event_handler(method, event)

    def _events(self) -> list[tuple[Events, Callable[[Engine], None]]]:
        completed = (Events.COMPLETED, self._complete)
        return [(Events.STARTED, self._reset), (Events.ITERATION_COMPLETED, self._collect), completed]

    def write(self, predictions: Predictions) -> None:
        """Write what this handler is for; a variant overrides it."""
        path = predictions.to_csv(self.output_dir / "predictions.csv")
        print(f"{len(predictions)} eyes predicted: {path}")

    def summary(self) -> dict[str, float]:
        """Figures for a tracker; none here."""
        return {}

    def _reset(self, engine: Engine) -> None:
        self._rows: list[int] = []
        self._values: dict[str, list[float]] = {key: [] for key in (*KEYS.values(), "label")}

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            self._rows.append(int(item["row"]))
            for key, values in self._values.items():
                values.append(float(output[key]))

    def _complete(self, engine: Engine) -> None:
        self.predictions = self._with_intervals(self._table())
        self.write(self.predictions)

    def _with_intervals(self, predictions: Predictions) -> Predictions:
        intervals = {} if self.model_path is None else intervals_beside(self.model_path)
        if not intervals:
            return predictions
        self.interval_level = next(iter(intervals.values())).level
        return with_limits(predictions, intervals)

    def _table(self) -> Predictions:
        values = {key: np.array(column, dtype=np.float64) for key, column in self._values.items()}
        unread = np.array(self._rows)[np.isnan([values[key] for key in KEYS.values()]).all(axis=0)].tolist()
        if unread:
            raise InputError(
                f"manifest rows {unread[:10]}{' and more' if len(unread) > 10 else ''}: no image that this network "
                "reads; leave these eyes out of the manifest, or use a network for their modality"
            )
        subsets_db = np.stack([values[key] for key in KEYS.values()], axis=1)
        return answered_eyes(self.cohort, self._rows, values["label"], subsets_db, self.split)
