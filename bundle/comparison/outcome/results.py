"""What the finished cells say: predictions as trained and recalibrated, pooled over folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR
from bundle.comparison.planning.cohorts import FoldCohort
from bundle.comparison.planning.plan import PREDICTIONS_FILE, Cell
from bundle.metrics import Recalibration, fit_recalibration
from bundle.reporting.predictions import SUBSETS, Predictions
from bundle.reporting.scores import Run


@dataclass(frozen=True)
class Results:
    """Everything that is known so far.

    cohort: its name.
    cells: the finished cells with their predictions, test split.
    runs: by method and seed, over all test eyes; a seed whose folds are not all finished is left out.
    missing: cells that are not finished.
    recalibrated_cells, recalibrated: the same after recalibration, where there were validation eyes enough.
    """

    cohort: str
    cells: dict[Cell, Predictions]
    runs: dict[Run, Predictions]
    missing: list[Cell]
    recalibrated_cells: dict[Cell, Predictions]
    recalibrated: dict[Run, Predictions]


def collect(cells: Sequence[Cell], cohorts: Sequence[FoldCohort], name: str) -> Results:
    """Read the predictions of the finished cells; `name` is the cohort's in `Run`.

    The mean predictor (the train split's mean MD for every eye) joins for every seed: it costs nothing and tells
    whether anything was learned.

    Raises:
        InputError: a damaged predictions.csv.
    """
    by_fold = {one.fold: one for one in cohorts}
    found, changed = {}, {}
    for cell in cells:
        if cell.done:
            predictions = Predictions.from_csv(cell.folder / PREDICTIONS_FILE)
            found[cell] = predictions.of_split("test")
            new = recalibrated(predictions, by_fold[cell.fold])
            if new is not None:
                changed[cell] = new
    means = pooled([mean_predictions(one) for one in cohorts])
    baseline = {Run(MEAN_PREDICTOR, name, seed): means for seed in dict.fromkeys(cell.seed for cell in cells) or (0,)}
    runs = {**_runs(found, len(cohorts), name), **baseline}
    missing = [cell for cell in cells if cell not in found]
    return Results(name, found, runs, missing, changed, _runs(changed, len(cohorts), name))


def _runs(cells: Mapping[Cell, Predictions], n_folds: int, name: str) -> dict[Run, Predictions]:
    """The folds of each method and seed together, where all of them are there."""
    runs = {}
    for method, seed in dict.fromkeys((cell.method, cell.seed) for cell in cells):
        parts = [predictions for cell, predictions in cells.items() if (cell.method, cell.seed) == (method, seed)]
        if len(parts) == n_folds:
            runs[Run(method, name, seed)] = pooled(parts)
    return runs


def recalibrated(predictions: Predictions, one: FoldCohort) -> Predictions | None:
    """The test eyes after recalibration on the same training's validation eyes; None with too few of those."""
    validation, test = predictions.of_split("validation"), predictions.of_split("test")
    mean_db, sd_db = one.cohort.md_mean_db, one.cohort.md_sd_db
    fit = fit_recalibration(validation.pred_db, validation.label_db, mean_db, sd_db)
    return None if fit == Recalibration(mean_db, sd_db) else replace(test, pred_db=fit.apply(test.pred_db))


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
