"""What the finished cells say: predictions, pooled over folds, and the tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.comparison.cohorts import FoldCohort
from bundle.comparison.methods import MEAN_PREDICTOR
from bundle.comparison.plan import PREDICTIONS_FILE, Cell
from bundle.metrics import METRICS
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text, number_cell
from bundle.reporting.predictions import SUBSETS, Predictions
from bundle.reporting.scores import Run, scores_of

COLUMNS = ("method", "seed", "fold", "split", "metric", "value", "seconds", "epochs", "gradient_evaluations")
COST = ("seconds", "epochs", "gradient_evaluations")
ALL_FOLDS = "all"


@dataclass(frozen=True)
class Results:
    """Everything that is known so far.

    cells: the finished cells with their predictions, test split.
    runs: by method and seed, over all test eyes; a seed whose folds are not all finished is left out.
    missing: cells that are not finished.
    """

    cells: dict[Cell, Predictions]
    runs: dict[Run, Predictions]
    missing: list[Cell]


def collect(cells: Sequence[Cell], cohorts: Sequence[FoldCohort], name: str) -> Results:
    """Read the predictions of the finished cells; `name` is the cohort's in `Run`.

    The mean predictor (the train split's mean MD for every eye) joins for every seed: it costs nothing and tells
    whether anything was learned.

    Raises:
        InputError: a damaged predictions.csv.
    """
    found = {cell: Predictions.from_csv(cell.folder / PREDICTIONS_FILE) for cell in cells if cell.done}
    runs = {}
    for method, seed in dict.fromkeys((cell.method, cell.seed) for cell in cells):
        parts = [predictions for cell, predictions in found.items() if (cell.method, cell.seed) == (method, seed)]
        if len(parts) == len(cohorts):
            runs[Run(method, name, seed)] = pooled(parts)
    means = [mean_predictions(one) for one in cohorts]
    for seed in dict.fromkeys(cell.seed for cell in cells):
        runs[Run(MEAN_PREDICTOR, name, seed)] = pooled(means)
    return Results(found, runs, [cell for cell in cells if cell not in found])


def pooled(parts: Sequence[Predictions]) -> Predictions:
    """The folds' test eyes together; rows and patients are numbered alike in all folds' manifests."""
    return Predictions(
        row=np.concatenate([one.row for one in parts]),
        eye=np.concatenate([one.eye for one in parts]),
        split=np.concatenate([one.split for one in parts]),
        patient=np.concatenate([one.patient for one in parts]),
        label_db=np.concatenate([one.label_db for one in parts]),
        pred_db={subset: np.concatenate([one.pred_db[subset] for one in parts]) for subset in SUBSETS},
    )


def mean_predictions(one: FoldCohort) -> Predictions:
    """The train split's mean MD for every test eye."""
    patients: dict[str, int] = {}
    number = {eye.row: patients.setdefault(eye.patient_id, len(patients)) for eye in one.cohort.rows}
    items = one.cohort.items("test")
    mean_db = np.full(len(items), one.cohort.md_mean_db)
    return Predictions(
        row=np.array([item["row"] for item in items]),
        eye=np.array([item["eye"] for item in items]),
        split=np.full(len(items), "test"),
        patient=np.array([number[item["row"]] for item in items]),
        label_db=np.array([item["label"] for item in items]),
        pred_db=dict.fromkeys(SUBSETS, mean_db),
    )


def write_results(results: Results, path: Path) -> Path:
    """Write results.csv: test metrics of each cell, of its chosen epoch on validation, and pooled over folds.

    `fold` is empty without folds and `all` for the pooled figures; costs of those are sums.
    """
    rows: list[list[str]] = []
    for cell, predictions in results.cells.items():
        facts = cell.facts()
        cost = [number_cell(facts[name]) for name in COST]
        here = [cell.method, str(cell.seed), "" if cell.fold is None else str(cell.fold)]
        scores = scores_of({Run(cell.method, "", cell.seed): predictions}, list(METRICS))
        rows += [[*here, "test", score.metric, number_cell(score.value), *cost] for score in scores]
        chosen = {name.removeprefix("val_"): value for name, value in facts.items() if name.startswith("val_")}
        rows += [[*here, "validation", name, number_cell(value), *cost] for name, value in chosen.items()]
    for run, predictions in results.runs.items():
        folds = [cell for cell in results.cells if (cell.method, cell.seed) == (run.method, run.seed)]
        if run.method != MEAN_PREDICTOR and folds[0].fold is None:
            continue  # the cell itself
        total = ["0"] * len(COST) if not folds else [number_cell(sum(c.facts()[name] for c in folds)) for name in COST]
        fold = "" if not folds else ALL_FOLDS
        for score in scores_of({run: predictions}, list(METRICS)):
            value = number_cell(score.value)
            rows.append([run.method, str(run.seed), fold, "test", score.metric, value, *total])
    return write_text_atomic(path, csv_text(COLUMNS, rows))
