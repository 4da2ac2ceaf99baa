"""Several cohorts and several limits of epochs in one command: a study for each pair, and the plan of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR
from bundle.comparison.methods.refusals import need_complete_eyes
from bundle.comparison.planning.cohorts import FoldCohort, read_eyes, write_cohorts
from bundle.comparison.planning.plan import Cell, plan_cells, plan_trials
from bundle.comparison.planning.record import STUDY_FILE, claim_folder
from bundle.comparison.planning.study import Study
from bundle.comparison.planning.trials import trial_settings
from bundle.comparison.planning.tuning import read_tuning
from bundle.errors import InputError


@dataclass(frozen=True)
class Planned:
    """A study that can run.

    trials: of every method, finished or not; none when nothing is tuned. `undecided` are those whose choice is open.
    """

    study: Study
    cohorts: list[FoldCohort]
    trials: list[Cell]

    @property
    def undecided(self) -> list[Cell]:
        """Trials of the methods for which nothing was chosen so far."""
        decided = {row.method for row in read_tuning(self.study.out) if row.chosen}
        return [cell for cell in self.trials if cell.method not in decided]

    def finals(self) -> list[Cell]:
        """The final trainings, without what trials choose: for counting."""
        return plan_cells(self.study, self.cohorts)


def cohort_name(manifest: Path) -> str:
    """A manifest's name for people: its own, or its folder's when it is called `manifest.csv`."""
    folder = manifest.resolve().parent.name
    return folder if manifest.stem == "manifest" and folder else manifest.stem


def expand(base: Study, cohorts: Mapping[str, Path], epochs: Sequence[int | None]) -> list[Study]:
    """A study for each cohort and limit of epochs; with more than one, each in a folder of its own in `base.out`.

    Args:
        base: what they have in common.
        cohorts: manifest by the cohort's name.

    Raises:
        InputError: a limit twice, or `base.out` holds a single study.
    """
    if len(set(epochs)) < len(epochs):
        raise InputError(f"--epochs: found {' '.join(map(str, epochs))}, expected each number once")
    several, axis = len(cohorts) * len(epochs) > 1, len(epochs) > 1
    if several and (base.out / STUDY_FILE).is_file():
        raise InputError(f"{base.out}: holds a single comparison, expected a folder for several; choose another --out")
    return [
        replace(
            base, manifest=manifest, epochs=limit, cohort_name=name, epochs_axis=axis,
            out=base.out / (f"{name}-{limit}ep" if axis else name) if several else base.out,
        )
        for name, manifest in cohorts.items() for limit in epochs
    ]  # fmt: skip


def plan_studies(studies: Sequence[Study], draft: Path | None = None) -> list[Planned]:
    """Read the eyes of each study, claim its folder and plan its cells.

    A method that cannot train on a cohort moves to that study's `refused`.

    Args:
        draft: a folder for the manifests instead of the studies' own, which are then left as they are.

    Raises:
        InputError: unusable eyes, a folder that holds something else, or no method left.
    """
    planned = []
    for number, asked in enumerate(studies):
        whole = read_eyes(asked)
        study = asked
        if not asked.complete_only:
            refused = need_complete_eyes(asked.methods, whole)
            kept = tuple(name for name in asked.methods if name not in refused)
            check_methods_left(kept, {**asked.refused, **refused})
            study = replace(asked, methods=kept, refused={**asked.refused, **refused})
        settings = {method: trial_settings(study, method) for method in study.trained_methods}
        if draft is None:
            claim_folder(study, whole.digest)
        cohorts = write_cohorts(study, whole, study.out if draft is None else draft / str(number))
        trials = plan_trials(study, cohorts, settings) if study.trials > 1 else []
        planned.append(Planned(study, cohorts, trials))
    return planned


def check_methods_left(methods: Sequence[str], refused: Mapping[str, str]) -> None:
    """Refuse a study without any training.

    Raises:
        InputError: it repeats why each method was refused.
    """
    if all(name == MEAN_PREDICTOR for name in methods):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise InputError(f"--methods: no method is left to train; {reasons or 'the mean predictor needs no training'}")
