"""The comparison for people: a page with tables, and a picture."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from bundle.comparison.cohorts import FoldCohort
from bundle.comparison.environment import git_commit, hardware, versions
from bundle.comparison.methods import MEAN_PREDICTOR
from bundle.comparison.results import COST, Results, write_results
from bundle.comparison.study import Study
from bundle.data import SPLITS
from bundle.metrics.bootstrap import How
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.comparison import Comparison, compare
from bundle.reporting.comparison_table import comparison_markdown, comparison_text
from bundle.reporting.grid import to_markdown
from bundle.reporting.scores import Summary, scores_of

METRICS = ("mse", "mae", "r2", "ccc")


def write_comparison(study: Study, cohorts: Sequence[FoldCohort], results: Results, command: str) -> str:
    """Write results.csv, comparison.md and comparison.png into `study.out`; returns the table for a terminal."""
    write_results(results, study.out / "results.csv")
    ratio, difference = (compared(study, results, how) for how in ("ratio", "difference"))
    page = [
        f"# Comparison: {study.name}\n",
        *_head(study, cohorts, results, command),
        f"\n## Test eyes, as a ratio to {ratio[0].reference}\n",
        comparison_markdown(ratio),
        f"\n## As a difference to {ratio[0].reference}\n",
        comparison_markdown(difference),
        "\n## Cost of a training\n",
        _costs(study, results),
        *_missing(results),
    ]
    write_text_atomic(study.out / "comparison.md", "\n".join(page))
    from bundle.reporting.plots import plot_comparison

    plot_comparison({study.name: ratio}, study.out / "comparison.png")
    return comparison_text(ratio)


def compared(study: Study, results: Results, how: How) -> list[Comparison]:
    """The mean predictor first, then the methods, best mean first.

    While the reference has no finished run the mean predictor stands in for it.
    """
    finished = {run.method for run in results.runs}
    reference = study.reference if study.reference in finished else MEAN_PREDICTOR
    scores = scores_of(results.runs, METRICS)
    rows = compare(
        scores, results.runs, reference=reference, cohort=study.name, metric="mse", also=METRICS[1:], how=how
    )
    return sorted(rows, key=lambda row: row.method != MEAN_PREDICTOR)  # sorted() keeps the order of the others


def _head(study: Study, cohorts: Sequence[FoldCohort], results: Results, command: str) -> list[str]:
    first = cohorts[0]
    splits = ", ".join(
        f"{name} {len(first.cohort.items(name))} eyes of {first.cohort.n_patients(name)} patients" for name in SPLITS
    )
    settings = ", ".join(f"{key} {value}" for key, value in study.settings.items()) or "as in configs/train.yaml"
    overlays = ", ".join(path.stem for path in study.overlays)
    epochs = study.setting("max_epochs") if study.epochs is None else study.epochs
    commits = sorted({cell.facts()["commit"] for cell in results.cells}) or [git_commit()]
    return [
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Command: `{command}`",
        f"- Hardware: {hardware()}",
        f"- Software: {versions()}; commit {', '.join(commits)}",
        f"- Eyes: {splits}{f' (first of {study.folds} folds)' if study.folds else ''}; "
        f"left out for want of OCT or photograph: {first.left_out}; digest {first.cohort.digest[:16]}",
        f"- Trainings: {len(results.cells)} finished, {len(results.missing)} not; seeds "
        f"{', '.join(map(str, study.seeds))}; at most {epochs} epochs; the epoch is chosen on validation",
        f"- Settings: {settings}{f'; overlays: {overlays}' if overlays else ''}",
    ]


def _costs(study: Study, results: Results) -> str:
    """Mean over the finished cells of each method."""
    rows = []
    for method in study.methods:
        facts = [cell.facts() for cell in results.cells if cell.method == method]
        means = [Summary.of(one[name] for one in facts) for name in COST]
        rows.append([method, str(len(facts)), *(f"{mean.mean:,.0f}" if facts else "–" for mean in means)])
    return to_markdown(("Method", "Trainings", "Seconds", "Epochs", "Gradient evaluations"), rows)


def _missing(results: Results) -> list[str]:
    if not results.missing:
        return []
    lines = [f"- {cell.name}: cells/{Path(cell.folder).name}/log.txt" for cell in results.missing]
    return ["\n## Not finished\n", "Run the same command again to complete these.\n", *lines, ""]
