"""The comparison for people: a page with tables, and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from bundle.comparison.outcome.compared import compared
from bundle.comparison.outcome.overview import write_overview
from bundle.comparison.outcome.results import Results
from bundle.comparison.outcome.sections import HOW_TO_READ, costs, head, recalibration_off, refused_and_missing, tuned
from bundle.comparison.outcome.tidy import result_rows, write_results
from bundle.comparison.planning.cohorts import FoldCohort
from bundle.comparison.planning.study import Study
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.comparison import Comparison
from bundle.reporting.comparison_table import comparison_markdown, comparison_text
from bundle.reporting.scores import Summary

__all__ = ["compared", "write_comparison", "write_overview"]


def write_comparison(study: Study, cohorts: Sequence[FoldCohort], results: Results, command: str) -> str:
    """Write the study's report into `study.out`; returns the table for a terminal.

    The files: results.csv, comparison.md, comparison.png and, once a training has ended, cost.png.
    """
    write_results(result_rows(study, results), study.out / "results.csv")
    ratio, difference = (compared(study, results, how) for how in ("ratio", "difference"))
    off = recalibration_off(cohorts)
    page = [
        f"# Comparison: {study.label}\n",
        *head(study, cohorts, results, command),
        f"\n## Test eyes, as a ratio to {ratio[0].reference}\n",
        comparison_markdown(ratio),
        *([off] if off else []),
        HOW_TO_READ,
        f"\n## As a difference to {ratio[0].reference}\n",
        comparison_markdown(difference),
        "\n## Cost of a training\n",
        costs(study, results),
        *tuned(study),
        *refused_and_missing(study, results),
    ]
    write_text_atomic(study.out / "comparison.md", "\n".join(page))
    _draw(study, results, ratio)
    return comparison_text(ratio)


def _draw(study: Study, results: Results, rows: Sequence[Comparison]) -> None:
    from bundle.reporting.plots import plot_comparison, plot_cost

    plot_comparison({study.label: rows}, study.out / "comparison.png")
    mse_db2 = {row.method: row.summaries["mse"].mean for row in rows}
    evaluations = {
        method: Summary.of(c.facts()["gradient_evaluations"] for c in results.cells if c.method == method).mean
        for method in study.trained_methods
    }
    if results.cells:
        plot_cost(evaluations, mse_db2, study.out / "cost.png", title=study.label, reference=study.reference)
