"""The cells of a study: one training for each method, seed and fold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.comparison.cohorts import FoldCohort
from bundle.comparison.methods import ROOT
from bundle.comparison.study import Study

DONE_FILE = "done.json"
LOG_FILE = "log.txt"
PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        folder: gets `run` (what a training writes), log.txt, predictions.csv (test split) and, last, done.json.
        config_files: configs in the order of overriding.
        overrides: keys of the config for this cell.
    """

    method: str
    seed: int
    fold: int | None
    folder: Path
    config_files: tuple[str, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """For people: `concat, seed 0, fold 1`."""
        return f"{self.method}, seed {self.seed}" + ("" if self.fold is None else f", fold {self.fold}")

    @property
    def done(self) -> bool:
        """Whether it is finished: the marker is written last, in one step."""
        return (self.folder / DONE_FILE).is_file() and (self.folder / PREDICTIONS_FILE).is_file()

    def facts(self) -> dict[str, Any]:
        """What done.json says: seconds, epochs, gradient_evaluations, commit, validation metrics of the chosen one."""
        facts: dict[str, Any] = json.loads((self.folder / DONE_FILE).read_text(encoding="utf-8"))
        return facts


def plan_cells(study: Study, cohorts: Sequence[FoldCohort]) -> list[Cell]:
    """All cells, seed by seed, so that an interrupted study has every method on the seeds that are complete.

    `settings` go into each cell's own `overrides`: a method's tuned learning rate would be added here.
    """
    cells = []
    for seed in study.seeds:
        for one in cohorts:
            for method in study.methods:
                label = f"{method}-seed{seed}" + ("" if one.fold is None else f"-fold{one.fold}")
                overrides = {
                    **study.settings,
                    "bundle_root": str(ROOT),
                    "manifest": str(one.manifest.resolve()),
                    "split_seed": study.split_seed,
                    "train_size": study.train_size,
                    "seed": seed,
                    "use_mlflow": study.tracking,
                    "experiment_name": f"compare-{study.name}",
                    "run_name": f"{study.name}-{label}",
                }
                if study.epochs is not None:
                    overrides["max_epochs"] = study.epochs
                files = tuple(str(path) for path in study.config_files(method))
                cells.append(Cell(method, seed, one.fold, study.out.resolve() / "cells" / label, files, overrides))
    return cells
