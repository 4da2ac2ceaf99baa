"""Several studies on one page: cohorts, limits of epochs, or both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from math import isnan, nan
from pathlib import Path

import numpy as np

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR
from bundle.comparison.outcome.compared import compared
from bundle.comparison.outcome.results import Results
from bundle.comparison.outcome.sections import HOW_TO_READ, made_by, refusals
from bundle.comparison.outcome.tidy import result_rows, write_results
from bundle.comparison.planning.cohorts import FoldCohort
from bundle.comparison.planning.study import Study
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.comparison import Comparison
from bundle.reporting.comparison_table import RECALIBRATED_NOTE, has_recalibrated, versus_title
from bundle.reporting.grid import to_markdown, to_text

Done = Sequence[tuple[Study, Sequence[FoldCohort], Results]]
Rows = dict[str, Comparison]  # by method


def write_overview(done: Done, out: Path, command: str) -> str:
    """Write results.csv, overview.md, overview.png and curves.png into `out`; returns a table for a terminal.

    Args:
        done: the studies of one command; their labels differ.
    """
    write_results((row for study, _, results in done for row in result_rows(study, results)), out / "results.csv")
    found = {study.label: {row.method: row for row in compared(study, results, "ratio")} for study, _, results in done}
    methods = by_rank(found)
    ratios = _table(methods, found, _versus)
    page = [
        f"# Comparison: {out.name}\n",
        *made_by(command, [results for _, _, results in done]),
        "\n## Test MSE (dB²)\n",
        "Mean ± standard error over training seeds; methods by their mean rank over the columns.\n",
        to_markdown(*_table(methods, found, lambda row: row.summaries["mse"].format())),
        "\n## Test MSE as a ratio to the reference [95 % CI over patients]\n",
        to_markdown(*ratios),
        *_recalibrated(methods, found),
        HOW_TO_READ,
        "\n## Each study\n",
        *(_state(study, results, out) for study, _, results in done),
        "",
    ]
    write_text_atomic(out / "overview.md", "\n".join(page))
    _draw(done, found, methods, out)
    return to_text(ratios[0], [("MSE as a ratio to the reference [95 % CI]", ratios[1])])


def by_rank(found: Mapping[str, Rows]) -> list[str]:
    """All methods, the one with the best mean rank over the studies first, the mean predictor last.

    A rank is among the methods of the study, from 0 for its best to 1 for its worst; a study without the method does
    not count.
    """
    ranks: dict[str, list[float]] = {}
    for rows in found.values():
        names = [name for name in rows if name != MEAN_PREDICTOR and not isnan(rows[name].summaries["mse"].mean)]
        for place, name in enumerate(sorted(names, key=lambda name: rows[name].summaries["mse"].mean)):
            ranks.setdefault(name, []).append(place / max(1, len(names) - 1))
    return [*sorted(ranks, key=lambda name: float(np.mean(ranks[name]))), MEAN_PREDICTOR]


def _table(
    methods: Sequence[str], found: Mapping[str, Rows], cell: Callable[[Comparison], str]
) -> tuple[list[str], list[list[str]]]:
    header = ["Method", *found]
    return header, [
        [method, *(cell(rows[method]) if method in rows else "–" for rows in found.values())] for method in methods
    ]


def _versus(row: Comparison) -> str:
    return row.versus.format() if row.versus else "reference" if row.method == row.reference else "–"


def _recalibrated(methods: Sequence[str], found: Mapping[str, Rows]) -> list[str]:
    if not any(has_recalibrated(list(rows.values())) for rows in found.values()):
        return []
    trained = [method for method in methods if method != MEAN_PREDICTOR]
    table = _table(trained, found, lambda row: _versus(row.recalibrated) if row.recalibrated else "–")
    return ["\n## The same after recalibration\n", to_markdown(*table), f"{RECALIBRATED_NOTE}\n"]


def _state(study: Study, results: Results, out: Path) -> str:
    page = Path(os.path.relpath(study.out, out)).as_posix()
    refused = "".join(f"; refused: {name} ({reason})" for name, reason in refusals(study).items())
    return (
        f"- [{study.label}]({page}/comparison.md): {len(results.cells)} trainings finished, {len(results.missing)} not"
        f"{refused}"
    )


def _draw(done: Done, found: Mapping[str, Rows], methods: Sequence[str], out: Path) -> None:
    from bundle.reporting.plots import plot_curves, plot_ratio_matrix

    def value(row: Comparison | None) -> float:
        return nan if row is None else 1.0 if row.method == row.reference else row.versus.value if row.versus else nan

    ratios = [[value(rows.get(method)) for rows in found.values()] for method in methods]
    titles = sorted({versus_title(row) for rows in found.values() for row in rows.values()})
    plot_ratio_matrix(ratios, methods, list(found), out / "overview.png", title=", ".join(titles))

    cohorts = list(dict.fromkeys(study.cohort_name for study, _, _ in done))
    limits = sorted({study.max_epochs for study, _, _ in done})
    rows_of = {(study.cohort_name, study.max_epochs): found[study.label] for study, _, _ in done}

    def line(method: str, conditions: Sequence[tuple[str, int]]) -> list[float]:
        rows = [rows_of.get(condition, {}).get(method) for condition in conditions]
        return [nan if row is None else row.summaries["mse"].mean for row in rows]

    if len(limits) > 1:
        panels = {c: [(c, limit) for limit in limits] for c in cohorts}
        ticks, xlabel = [str(limit) for limit in limits], "Upper limit of epochs"
    else:
        panels, ticks, xlabel = {"Cohorts": [(c, limits[0]) for c in cohorts]}, cohorts, "Cohort"
    lines = {title: {m: line(m, cells) for m in methods[:-1]} for title, cells in panels.items()}
    plot_curves(lines, ticks, out / "curves.png", xlabel=xlabel, reference=done[0][0].reference)
