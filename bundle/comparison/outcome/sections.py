"""The parts of a comparison's page beside its tables of results."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

import numpy as np

from bundle.comparison.outcome.results import Results
from bundle.comparison.outcome.tidy import COST
from bundle.comparison.planning.cohorts import FoldCohort
from bundle.comparison.planning.plan import LOG_FILE, Cell
from bundle.comparison.planning.study import Study
from bundle.comparison.planning.tuning import read_tuning
from bundle.comparison.running.environment import git_commit, hardware, public_command, public_value, versions
from bundle.data import SPLITS
from bundle.metrics.recalibration import MIN_EYES
from bundle.reporting.grid import to_markdown
from bundle.reporting.scores import Summary
from bundle.reporting.tables import number

ERROR_LINE = re.compile(r"[\w.]+(Error|Exception|Interrupt|Exit)\b")  # how a traceback ends
PATH_LIKE = re.compile(r"\S*[/\\]\S*")
HOW_TO_READ = """
## How to read it

- A ratio below 1, or a difference below 0, is an error smaller than the reference's. `mean` answers the train split's
  mean MD for every eye: a method that is not better has learned nothing.
- Eyes and seeds are two sources of uncertainty. Take a difference as real when the 95 % interval over patients leaves
  out 1 (or 0) and the figure seed by seed agrees. With many methods, one interval in twenty misses by chance.
- Every choice (the epoch, the learning rate, the knob, the recalibration) is made on validation eyes; the figures are
  of test eyes, which nothing was chosen on.
"""


def head(study: Study, cohorts: Sequence[FoldCohort], results: Results, command: str) -> list[str]:
    """How the figures came about, one line each."""
    first = cohorts[0]
    splits = ", ".join(
        f"{name} {len(first.cohort.items(name))} eyes of {first.cohort.n_patients(name)} patients" for name in SPLITS
    )
    settings = ", ".join(f"{key} {public_value(value)}" for key, value in study.settings.items())
    overlays = ", ".join(path.stem for path in study.overlays)
    return [
        *made_by(command, [results]),
        f"- Eyes: {splits}{f' (first of {study.folds} folds)' if study.folds else ''}; "
        f"left out for want of OCT or photograph: {first.left_out}; digest {first.cohort.digest[:16]}",
        f"- Trainings: {len(results.cells)} finished, {len(results.missing)} not; seeds "
        f"{', '.join(map(str, study.seeds))}; at most {study.max_epochs} epochs; the epoch is chosen on validation",
        f"- Settings: {settings or 'as in configs/train.yaml'}{f'; overlays: {overlays}' if overlays else ''}",
    ]


def made_by(command: str, results: Sequence[Results]) -> list[str]:
    """Date, command, hardware, software and the commits of the trainings."""
    commits = sorted({cell.facts()["commit"] for one in results for cell in one.cells}) or [git_commit()]
    return [
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Command: `{public_command(command)}`",
        f"- Hardware: {hardware()}",
        f"- Software: {versions()}; commit {', '.join(commits)}",
    ]


def recalibration_off(cohorts: Sequence[FoldCohort]) -> str | None:
    """Why there is no recalibration, None when there is."""
    n_eyes = min(int(np.isfinite(one.cohort.md_db("validation")).sum()) for one in cohorts)
    if n_eyes >= MIN_EYES:
        return None
    return f"Recalibration is off: there are {n_eyes} validation eyes with a measured MD, and it needs {MIN_EYES}.\n"


def costs(study: Study, results: Results) -> str:
    """Mean over the finished cells of each method, and the trials that its settings were chosen from."""
    tuning = read_tuning(study.out)
    rows = []
    for method in study.trained_methods:
        facts = [cell.facts() for cell in results.cells if cell.method == method]
        means = [Summary.of(one[name] for one in facts) for name in COST]
        trials = sum(row.method == method for row in tuning)
        rows.append([method, str(len(facts)), *(f"{mean.mean:,.0f}" if facts else "–" for mean in means), str(trials)])
    return to_markdown(("Method", "Trainings", "Seconds", "Epochs", "Gradient evaluations", "Trials"), rows)


def tuned(study: Study) -> list[str]:
    """What the trials chose; nothing when nothing was tuned."""
    rows = read_tuning(study.out)
    if not rows:
        return []
    cells = []
    for chosen in (row for row in rows if row.chosen):
        trials = [row.val_mse for row in rows if row.method == chosen.method]
        knob = f"{chosen.knob} = {chosen.knob_value}" if chosen.knob else "–"
        cells.append(
            [chosen.method, knob, str(len(trials)), f"{chosen.lr:g}", number(chosen.val_mse), number(trials[0])]
        )
    header = ("Method", "Knob", "Trials", "lr", "Validation MSE (dB²)", "of the defaults")
    note = "Each method had the same number of trials, the first with its defaults; all of them: tuning.csv.\n"
    return ["\n## Chosen by trials on validation\n", to_markdown(header, cells, left=2), note]


def refused_and_missing(study: Study, results: Results) -> list[str]:
    """Methods that did not run and cells that are not finished, with the reasons."""
    lines = []
    if study.refused:
        lines += ["\n## Refused\n", *(f"- {name}: {reason}" for name, reason in refusals(study).items()), ""]
    if results.missing:
        found = [f"- {cell.name}: {state_of(cell)}" for cell in results.missing]
        lines += ["\n## Not finished\n", "Run the same command again to complete these.\n", *found, ""]
    return lines


def refusals(study: Study) -> dict[str, str]:
    """`study.refused` without folders of the user's."""
    return {name: " ".join(map(public_value, reason.split())) for name, reason in study.refused.items()}


def state_of(cell: Cell) -> str:
    """Where an unfinished cell's log is, and the error at its end without any path, which might name a patient."""
    log = cell.folder / LOG_FILE
    if not log.is_file():
        return "not begun"
    last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    error = PATH_LIKE.sub("…", last)[:200] if ERROR_LINE.match(last) else "interrupted"
    return f"{error} ({cell.folder.parent.name}/{cell.folder.name}/{LOG_FILE})"
