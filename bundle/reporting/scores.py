"""The tidy table of a benchmark: one row for each method, cohort, seed and metric."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bundle.errors import InputError
from bundle.metrics import METRICS, named_metric
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text, number_cell, parse_integer, parse_number, read_csv
from bundle.reporting.predictions import Predictions


class Score(NamedTuple):
    """One figure; `seed` is the training's."""

    method: str
    cohort: str
    seed: int
    metric: str
    value: float


class Run(NamedTuple):
    """One training: what names its predictions."""

    method: str
    cohort: str
    seed: int


@dataclass(frozen=True)
class Summary:
    """Mean over seeds and its standard error, SD / sqrt(seeds); NaN error for one seed, NaN mean for none."""

    mean: float
    standard_error: float
    n_seeds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        """Summarise one value a seed."""
        found = np.array(list(values), dtype=np.float64)
        error = float(found.std(ddof=1)) / sqrt(found.size) if found.size > 1 else nan
        return cls(float(found.mean()) if found.size else nan, error, found.size)

    def format(self, digits: int = 2) -> str:
        """`12.34 ± 0.56`, or the mean alone for one seed."""
        text = f"{round(self.mean, digits) + 0.0:.{digits}f}"  # no "-0.00"
        return text if isnan(self.standard_error) else f"{text} ± {self.standard_error:.{digits}f}"


def scores_of(runs: Mapping[Run, Predictions], metrics: Sequence[str]) -> list[Score]:
    """The tidy table computed from predictions: each answer (`Predictions.answer_db`) on its labelled eyes."""
    scores = []
    for run, predictions in runs.items():
        eyes = predictions.select(predictions.labelled)
        scores += [Score(*run, name, named_metric(name)(eyes.answer_db, eyes.label_db)) for name in metrics]
    return scores


def metrics_of(predictions: Predictions) -> dict[str, float]:
    """Every metric of one training, on the labelled eyes."""
    return {score.metric: score.value for score in scores_of({Run("", "", 0): predictions}, list(METRICS))}


def scores_to_csv(scores: Iterable[Score], path: str | os.PathLike[str]) -> Path:
    """Write the tidy table atomically, with seven significant digits."""
    rows = ((score.method, score.cohort, str(score.seed), score.metric, number_cell(score.value)) for score in scores)
    return write_text_atomic(path, csv_text(Score._fields, rows))


def scores_from_csv(path: str | os.PathLike[str]) -> list[Score]:
    """Read a tidy table.

    Raises:
        InputError: a missing file or column, a cell that is not a number, an unknown metric, or a figure given twice.
    """
    scores: dict[tuple[str, str, int, str], Score] = {}
    for number, cells in enumerate(read_csv(path, Score._fields), start=2):
        named_metric(cells["metric"])
        seed = parse_integer(cells["seed"], path, number, "seed")
        value = parse_number(cells["value"], path, number, "value")
        key = (cells["method"], cells["cohort"], seed, cells["metric"])
        if key in scores:
            raise InputError(f"{path}, row {number}: {', '.join(map(str, key))} is there twice, expected once")
        scores[key] = Score(*key, value)
    return list(scores.values())
