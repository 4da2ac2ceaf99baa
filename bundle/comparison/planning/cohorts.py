"""The eyes of a study, written as manifests with a `split` column, one a fold: every method reads the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.comparison.planning.study import Study
from bundle.data import Cohort, Examination, k_fold, split_by_patient
from bundle.errors import InputError
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text

COLUMNS = ("patient_id", "eye", "oct", "fundus", "md_db", "split", "visit", "source_row")


@dataclass(frozen=True)
class FoldCohort:
    """One split of the eyes; `fold` is None when there are no folds, `left_out` counts eyes without both images."""

    fold: int | None
    manifest: Path
    cohort: Cohort
    left_out: int


def read_eyes(study: Study) -> Cohort:
    """The user's manifest, validated, in the split of a study without folds."""
    return Cohort(study.manifest, study.split_seed, study.setting("split_fractions"))


def write_cohorts(study: Study, whole: Cohort, folder: Path | None = None) -> list[FoldCohort]:
    """Write `cohorts/*.csv` in `folder`, by default the study's, and read them back, one a fold.

    A manifest's own `split` column is kept. Patients are numbered anew: no identifier is copied. `source_row` is the
    row in the user's manifest; predictions name rows of the manifest written here.

    Args:
        whole: `read_eyes(study)`.

    Raises:
        InputError: no eye with both images, too few patients, or folds of a cohort that has its own split.
    """
    eyes = [one for one in whole.rows if not study.complete_only or (one.oct and one.fundus)]
    if not eyes:
        raise InputError(f"{study.manifest}: no eye has both an OCT and a fundus photograph; give --eyes all")
    found = []
    for fold, splits in enumerate(fold_splits(study, eyes)):
        path = (folder or study.out) / "cohorts" / (f"fold-{fold}.csv" if study.folds else "split.csv")
        write_text_atomic(path, csv_text(COLUMNS, manifest_rows(eyes, splits, path.parent)))
        cohort = Cohort(path, study.split_seed, train_size=study.train_size)
        found.append(FoldCohort(fold if study.folds else None, path, cohort, len(whole.rows) - len(eyes)))
    return found


def fold_splits(study: Study, eyes: Sequence[Examination]) -> list[dict[int, str]]:
    """{row: split} of each fold; one entry without folds.

    Inside a fold, validation patients come from the fold's training part, in the proportion of `split_fractions`.
    """
    fractions = study.setting("split_fractions")
    given = {one.row: one.split for one in eyes if one.split is not None}
    if study.folds is None:
        return [given or split_by_patient(eyes, fractions, study.split_seed)]
    if given:
        raise InputError(f"--folds: {study.manifest} has its own split; empty that column, or leave out --folds")
    share = fractions[1] / (fractions[0] + fractions[1])
    folds = []
    for train_rows, test_rows in k_fold(eyes, study.folds, study.split_seed):
        rest = [one for one in eyes if one.row in set(train_rows)]
        inner = split_by_patient(rest, (1 - share, share, 0), study.split_seed)
        folds.append(inner | dict.fromkeys(test_rows, "test"))
    return folds


def manifest_rows(eyes: Sequence[Examination], splits: Mapping[int, str], folder: Path) -> list[list[str]]:
    """Cells of the manifest, in the order of the eyes; image paths are relative to `folder`."""
    base = folder.resolve()
    patients: dict[str, int] = {}
    rows = []
    for number, one in enumerate(eyes, start=1):
        patient = patients.setdefault(one.patient_id, len(patients) + 1)
        images = [_relative(path, base) for path in (one.oct, one.fundus)]
        rows.append([f"P{patient:05d}", one.eye, *images, repr(float(one.md_db)), splits[one.row], str(number),
                     str(one.row)])  # fmt: skip
    return rows


def _relative(path: Path | None, base: Path) -> str:
    """`base` has no links, so that `..` means the same to the operating system as to us."""
    return "" if path is None else Path(os.path.relpath(path, base)).as_posix()
