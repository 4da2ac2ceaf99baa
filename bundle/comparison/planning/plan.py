"""The cells of a study: one training for each method, seed and fold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.comparison.methods.catalogue import ROOT
from bundle.comparison.planning.cohorts import FoldCohort
from bundle.comparison.planning.study import Study

DONE_FILE = "done.json"
LOG_FILE = "log.txt"
PREDICTIONS_FILE = "predictions.csv"
# Where a cell differs from a user's training: eyes are prepared once a process and not once a training, and its
# chosen model answers the validation and the test eyes into one file instead of a report with pictures.
CELL_KEYS: dict[str, Any] = {
    "train#dataset#shared": True,
    "validate#dataset#shared": True,
    "test#dataset#shared": True,
    "test#dataset#data": "$@cohort.items('validation') + @cohort.items('test')",
    "test#report": {
        "_target_": "bundle.handlers.PredictionsHandler",
        "cohort": "@cohort",
        "output_dir": "$@output_dir + '/test'",
        "split": None,
    },
    "interval_level": 0,  # nobody asks its model
    "use_mlflow": False,  # the comparison logs its cells itself
}
TRIAL_KEYS: dict[str, Any] = {**CELL_KEYS, "test#dataset#data": "$@cohort.items('validation')"}  # never the test split


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        folder: gets `run` (what a training writes), log.txt, predictions.csv and, last, done.json.
        config_files: configs in the order of overriding.
        overrides: keys of the config for this cell.
        trial: number of a trial, whose predictions.csv has validation eyes only; None for a final training, which
            has validation and test eyes.
    """

    method: str
    seed: int
    fold: int | None
    folder: Path
    config_files: tuple[str, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)
    trial: int | None = None

    @property
    def name(self) -> str:
        """For people: `concat, seed 0, fold 1` or `concat, trial 2`."""
        if self.trial is not None:
            return f"{self.method}, trial {self.trial}"
        return f"{self.method}, seed {self.seed}" + ("" if self.fold is None else f", fold {self.fold}")

    @property
    def done(self) -> bool:
        """Whether it is finished: the marker is written last, in one step."""
        return (self.folder / DONE_FILE).is_file() and (self.folder / PREDICTIONS_FILE).is_file()

    def facts(self) -> dict[str, Any]:
        """What done.json says: seconds, epochs, gradient_evaluations, commit, validation metrics of the chosen one."""
        facts: dict[str, Any] = json.loads((self.folder / DONE_FILE).read_text(encoding="utf-8"))
        return facts


def plan_cells(
    study: Study, cohorts: Sequence[FoldCohort], chosen: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Cell]:
    """All final trainings, seed by seed, so that an interrupted study has every method on the seeds that are complete.

    None for the mean predictor, whose answer needs no training.

    Args:
        chosen: {method: keys of the config} that its trials chose.
    """
    cells = []
    for seed in study.seeds:
        for one in cohorts:
            for method in study.trained_methods:
                label = f"{method}-seed{seed}" + ("" if one.fold is None else f"-fold{one.fold}")
                own = {"seed": seed, **(chosen or {}).get(method, {})}
                if study.epochs is not None:
                    own["max_epochs"] = study.epochs
                cells.append(_cell(study, one, method, label, CELL_KEYS | own))
    return cells


def plan_trials(
    study: Study, cohorts: Sequence[FoldCohort], settings: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Cell]:
    """The trials of each method on the first fold, round by round; `settings` are each trial's, by method."""
    cells = []
    for number in range(1, study.trials + 1):
        for method, tried in settings.items():
            label = f"{method}-trial{number}" + ("" if cohorts[0].fold is None else f"-fold{cohorts[0].fold}")
            epochs = study.epochs if study.trial_epochs is None else study.trial_epochs
            own = {"seed": study.trial_seed, **tried[number - 1]}
            if epochs is not None:
                own["max_epochs"] = epochs
            cells.append(_cell(study, cohorts[0], method, label, TRIAL_KEYS | own, number))
    return cells


def _cell(
    study: Study, one: FoldCohort, method: str, label: str, own: Mapping[str, Any], trial: int | None = None
) -> Cell:
    overrides = {
        **study.settings,
        "bundle_root": str(ROOT),
        "manifest": str(one.manifest.resolve()),
        "split_seed": study.split_seed,
        "train_size": study.train_size,
        **own,
    }
    files = tuple(str(path) for path in study.config_files(method))
    return Cell(method, own["seed"], one.fold, study.out.resolve() / "cells" / label, files, overrides, trial)
