"""Runs what is planned: trials first, then, with what they chose, the final trainings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bundle.comparison.planning.grid import Planned
from bundle.comparison.planning.plan import Cell, plan_cells
from bundle.comparison.planning.study import Study
from bundle.comparison.planning.tuning import chosen_settings, judge, read_tuning, write_tuning
from bundle.comparison.running.cell import run_cell
from bundle.comparison.running.pool import Runner, run_cells
from bundle.comparison.running.progress import CellProgress

if TYPE_CHECKING:
    from bundle.comparison.running.tracking import StudyTracking


@dataclass
class Ended:
    """How a study ended: all its final trainings, how many of them failed, and its MLflow runs, which are open."""

    planned: Planned
    cells: list[Cell] = field(default_factory=list)
    failed: int = 0
    tracking: StudyTracking | None = None


def run_studies(
    planned: Sequence[Planned], jobs: int, runner: Runner = run_cell,
    new_process: Callable[[], Executor] | None = None,
) -> list[Ended]:  # fmt: skip
    """Run the cells of all studies that are not done, side by side, under one progress bar.

    A failing cell is told in one line and stops no other. A method whose trials all fail has no final training.
    Each finished final training is handed to its study's tracking.

    Args:
        jobs, runner, new_process: as in `run_cells`.
    """
    ended = [Ended(one) for one in planned]
    trials = [cell for one in planned for cell in one.undecided]
    everything = [*trials, *(cell for one in planned for cell in one.finals())]
    try:
        for one in ended:
            one.tracking = open_tracking(one.planned.study)
        with CellProgress(len(everything), sum(cell.done for cell in everything)) as progress:
            for _ in progress.watch(run_cells(trials, jobs, runner, new_process)):
                pass
            owner = {cell: one for one in ended for cell in _finals(one)}
            log_finished(ended)
            for outcome in progress.watch(run_cells(list(owner), jobs, runner, new_process)):
                one = owner[outcome.cell]
                if outcome.error is not None:
                    one.failed += 1
                elif one.tracking is not None:
                    one.tracking.log_cell(outcome.cell)
    except BaseException:
        close_tracking(ended)
        raise
    return ended


def open_tracking(study: Study) -> StudyTracking | None:
    """The study's MLflow runs, None without tracking."""
    if not study.tracking:
        return None
    from bundle.comparison.running.tracking import StudyTracking

    tracking = StudyTracking(study)
    tracking.open()
    return tracking


def log_finished(ended: Sequence[Ended]) -> None:
    """Hand over what was finished before: an interruption may have come between a training and its tracking."""
    for one in ended:
        for cell in one.cells:
            if one.tracking is not None and cell.done:
                one.tracking.log_cell(cell)


def close_tracking(ended: Sequence[Ended]) -> None:
    """Hand over the files of each study's folder and end its MLflow runs."""
    for one in ended:
        if one.tracking is not None:
            one.tracking.close(sorted(path for path in one.planned.study.out.iterdir() if path.is_file()))
            one.tracking = None


def _finals(ended: Ended) -> list[Cell]:
    """Choose by the trials; the final trainings that can run. Those of a method without a choice count as failed."""
    study, trials = ended.planned.study, ended.planned.trials
    rows = read_tuning(study.out)
    new = judge(study, ended.planned.undecided)
    if new:
        write_tuning([*rows, *new], study.out)
    chosen = chosen_settings(study, [*rows, *new])
    ended.cells = plan_cells(study, ended.planned.cohorts, chosen)
    if not trials:
        return ended.cells
    for method in study.trained_methods:
        if method not in chosen:
            print(f"failed: {method}: each of its {study.trials} trials failed", file=sys.stderr)
    ready = [cell for cell in ended.cells if cell.method in chosen]
    ended.failed = len(ended.cells) - len(ready)
    return ready
