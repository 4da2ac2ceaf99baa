"""The reports of the studies that ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bundle.comparison.outcome.report import write_comparison, write_overview
from bundle.comparison.outcome.results import collect
from bundle.comparison.running.execute import Ended, close_tracking


def publish(ended: Sequence[Ended], out: Path, command: str) -> str:
    """Write every study's report and, of several, an overview in `out`; returns what a terminal shows."""
    told, everything = [], []
    for one in ended:
        study, cohorts = one.planned.study, one.planned.cohorts
        results = collect(one.cells, cohorts, study.cohort_name)
        table = write_comparison(study, cohorts, results, command)
        told += [table, f"report: {study.out / 'comparison.md'}\n"]
        everything.append((study, cohorts, results))
    if len(ended) > 1:
        told.append(write_overview(everything, out, command))
    close_tracking(ended)
    return "\n".join(told)
