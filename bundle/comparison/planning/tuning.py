"""The choice among a method's trials, on validation, and its record tuning.csv.

A trial's score is the validation MSE of its best epoch. A choice that is written down stands: final trainings have
begun with it, so a trial that failed is not tried again once another one was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.comparison.methods.catalogue import card_of
from bundle.comparison.planning.plan import Cell
from bundle.comparison.planning.study import Study
from bundle.comparison.planning.trials import default_lr, trial_settings
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text, number_cell, parse_integer, parse_number, read_csv

TUNING_FILE = "tuning.csv"
COLUMNS = ("method", "trial", "lr", "knob", "knob_value", "val_mse", "chosen")


@dataclass(frozen=True)
class TuningRow:
    """One trial: what it tried, the validation MSE (dB^2, NaN when it failed), and whether it was chosen.

    `knob` and `knob_value` are empty for a method without one; the value is text, as YAML writes it.
    """

    method: str
    trial: int
    lr: float
    knob: str
    knob_value: str
    val_mse: float
    chosen: bool


def judge(study: Study, trials: Sequence[Cell]) -> list[TuningRow]:
    """The rows of the methods with a trial that succeeded; the lowest validation MSE is chosen, the earlier of equals.

    A trial that failed counts as infinitely bad.
    """
    rows = []
    for method in dict.fromkeys(cell.method for cell in trials):
        own = sorted((cell for cell in trials if cell.method == method), key=lambda cell: cell.trial or 0)
        scores = [_score(cell) for cell in own]
        if min(scores) == math.inf:
            continue
        best = scores.index(min(scores))
        tried = trial_settings(study, method)
        knob = card_of(method).knob
        for number, score in enumerate(scores):
            value = "" if knob is None else str(tried[number].get(knob.key, study.value_of(method, knob.key)))
            rows.append(TuningRow(
                method, number + 1, tried[number].get("lr", default_lr(study, method)),
                "" if knob is None else knob.key, value, score if score < math.inf else math.nan, number == best,
            ))  # fmt: skip
    return rows


def _score(cell: Cell) -> float:
    value = cell.facts().get("val_mse") if cell.done else None
    return math.inf if value is None or not math.isfinite(value) else float(value)


def chosen_settings(study: Study, rows: Sequence[TuningRow]) -> dict[str, dict[str, Any]]:
    """{method: keys of the config} that the final trainings get."""
    return {row.method: trial_settings(study, row.method)[row.trial - 1] for row in rows
            if row.chosen and row.method in study.trained_methods}  # fmt: skip


def read_tuning(out: Path) -> list[TuningRow]:
    """The rows of a study's tuning.csv; none when nothing was tuned.

    Raises:
        InputError: a damaged file.
    """
    path = out / TUNING_FILE
    if not path.is_file():
        return []
    return [
        TuningRow(
            cells["method"], parse_integer(cells["trial"], path, number, "trial"),
            parse_number(cells["lr"], path, number, "lr"), cells["knob"], cells["knob_value"],
            parse_number(cells["val_mse"], path, number, "val_mse"), cells["chosen"] == "yes",
        )
        for number, cells in enumerate(read_csv(path, COLUMNS), start=2)
    ]  # fmt: skip


def write_tuning(rows: Sequence[TuningRow], out: Path) -> Path:
    """Write tuning.csv, a row a trial."""
    cells = [
        [row.method, str(row.trial), number_cell(row.lr), row.knob, row.knob_value, number_cell(row.val_mse),
         "yes" if row.chosen else "no"]
        for row in rows
    ]  # fmt: skip
    return write_text_atomic(out / TUNING_FILE, csv_text(COLUMNS, cells))
