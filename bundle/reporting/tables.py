"""The evaluation as a table to read."""

from __future__ import annotations

from itertools import groupby
from math import isnan

from bundle.reporting.coverage import Coverage, limits, percent
from bundle.reporting.evaluation import ALL, BALANCED, Evaluation, Figures
from bundle.reporting.grid import to_markdown, to_text
from bundle.reporting.predictions import SUBSET_TITLES

HEADER = ("Stage", "Eyes", "MSE (dB²) [95 % CI]", "MAE (dB) [95 % CI]", "RMSE", "Bias", "R²", "r", "CCC")


def metrics_markdown(evaluation: Evaluation) -> str:
    """The metrics table in Markdown, a block of rows for each input."""
    rows = []
    for answer, block in _blocks(evaluation):
        rows += [[f"**{answer}**" if position == 0 else "", *row] for position, row in enumerate(block)]
    return to_markdown(("Input", *HEADER), rows, left=2)


def metrics_text(evaluation: Evaluation) -> str:
    """The metrics table for a terminal of 100 columns (up to 99,999 eyes and an MSE below 1,000 dB^2)."""
    return to_text(HEADER, _blocks(evaluation))


def coverage_markdown(coverage: Coverage) -> str:
    """Coverage and width of the prediction intervals in Markdown, a row for all eyes and one for each stage."""
    header = (
        "Stage",
        "Eyes",
        f"Measured MD inside the {percent(coverage.level)} interval [95 % CI]",
        "Mean width (dB)",
    )
    rows = [
        [row.group, str(row.n_eyes), f"{percent(row.inside.value)} {limits(row.inside)}".rstrip(), number(row.width_db)]
        for row in coverage.rows
    ]
    return to_markdown(header, rows, left=1)


def number(value: float, signed: bool = False) -> str:
    """Two decimals, a dash for NaN."""
    if isnan(value):
        return "–"
    value = round(value, 2) + 0.0  # no "-0.00"
    return f"{value:+.2f}" if signed else f"{value:.2f}"


def _blocks(evaluation: Evaluation) -> list[tuple[str, list[list[str]]]]:
    by_answer = groupby(evaluation.figures, key=lambda figures: figures.answer)
    return [
        (SUBSET_TITLES.get(answer, answer), [row for figures in block for row in _rows(figures)])
        for answer, block in by_answer
    ]


def _rows(figures: Figures) -> list[list[str]]:
    """One row; the group of all eyes has a second one for balanced MSE.

    R2, r and CCC are shown for all eyes only: within a narrow band of labels they say little.
    """
    overall = figures.group == ALL
    names = ("rmse", "bias", "r2", "pearson", "ccc") if overall else ("rmse", "bias")
    cells = [number(figures.metrics[name], signed=name == "bias") for name in names]
    intervals = ["–" if figures.n_eyes == 0 else figures.intervals[name].format() for name in ("mse", "mae")]
    rows = [_padded([figures.group, str(figures.n_eyes), *intervals, *cells])]
    if overall:
        rows.append(_padded([BALANCED, "", figures.intervals["balanced_mse"].format()]))
    return rows


def _padded(cells: list[str]) -> list[str]:
    return cells + [""] * (len(HEADER) - len(cells))
