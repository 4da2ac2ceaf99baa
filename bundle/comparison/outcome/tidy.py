"""The tidy table of a study: one row a method, cohort, limit of epochs, seed and metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR
from bundle.comparison.outcome.results import Results
from bundle.comparison.planning.plan import Cell
from bundle.comparison.planning.study import Study
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text, number_cell
from bundle.reporting.scores import Run, metrics_of

COST = ("seconds", "epochs", "gradient_evaluations")
COLUMNS = ("cohort", "method", "epochs_limit", "seed", "fold", "split", "recalibration", "metric", "value", *COST)
ALL_FOLDS = "all"
RIDGE = "ridge"  # in the column `recalibration`; empty for a method as trained


def write_results(rows: Iterable[Sequence[str]], path: Path) -> Path:
    """Write rows of `result_rows`, of one study or of several."""
    return write_text_atomic(path, csv_text(COLUMNS, rows))


def result_rows(study: Study, results: Results) -> list[list[str]]:
    """Test metrics of each cell, of its chosen epoch on validation, and pooled over folds; cells as in `COLUMNS`.

    `fold` is empty without folds and `all` for the pooled figures; costs of those are sums. Recalibration adds none.
    """
    rows: list[list[str]] = []

    def add(
        run: Run, fold: str, split: str, recalibration: str, values: Mapping[str, float], cost: list[float]
    ) -> None:
        here = [study.cohort_name, run.method, str(study.max_epochs), str(run.seed), fold, split, recalibration]
        costs = [number_cell(one) for one in cost]
        rows.extend([*here, metric, number_cell(value), *costs] for metric, value in values.items())

    for recalibration, cells in (("", results.cells), (RIDGE, results.recalibrated_cells)):
        for cell, predictions in cells.items():
            run, fold, facts = Run(cell.method, results.cohort, cell.seed), _fold(cell), cell.facts()
            cost = [facts[name] for name in COST]
            add(run, fold, "test", recalibration, metrics_of(predictions), cost)
            if not recalibration:
                chosen = {name.removeprefix("val_"): facts[name] for name in facts if name.startswith("val_")}
                add(run, fold, "validation", recalibration, chosen, cost)
    for recalibration, runs in (("", results.runs), (RIDGE, results.recalibrated)):
        for run, predictions in runs.items():
            folds = [cell for cell in results.cells if (cell.method, cell.seed) == (run.method, run.seed)]
            if run.method != MEAN_PREDICTOR and folds[0].fold is None:
                continue  # the cell itself
            total = [sum(cell.facts()[name] for cell in folds) for name in COST]
            add(run, ALL_FOLDS if folds else "", "test", recalibration, metrics_of(predictions), total)
    return rows


def _fold(cell: Cell) -> str:
    return "" if cell.fold is None else str(cell.fold)
