"""The cohort: examinations that are validated, split by patient, and ready for a MONAI data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bundle.data.cohort_digest import digest
from bundle.data.cohort_summary import summarise
from bundle.data.examination import SPLITS, Examination
from bundle.data.manifest import Labels, read_manifest
from bundle.data.split_file import write_split
from bundle.data.splits import check_fractions, keep_patients, split_by_patient
from bundle.errors import InputError


class Cohort:
    """The eyes of a manifest, each in one split.

    manifest: path of the CSV (docs/own_data.md).
    seed, fractions: how patients are dealt to train, validation, test when the manifest has no `split` column.
    output_dir: folder that gets `split.csv` (row, eye, split, md_db: no patient identifier); None writes nothing.
    labels: "required", or "optional" for prediction: rows without an MD are accepted, and where no split can be
        drawn (unlabelled rows, too few patients) only `items("all")` is served.
    train_size: keep this many training patients, spread over the range of MD (for learning curves); None keeps all.
        The others stay in "all" and in no split.

    Raises InputError for everything wrong with the manifest, a patient in two splits, or too few patients.
    """

    def __init__(
        self,
        manifest: str | Path,
        seed: int = 0,
        fractions: Sequence[float] = (0.7, 0.15, 0.15),
        output_dir: str | Path | None = None,
        labels: Labels = "required",
        train_size: int | None = None,
    ) -> None:
        rows = read_manifest(manifest, labels)
        check_fractions(fractions)
        try:
            splits = _assign(rows, seed, fractions, labels)
        except InputError as error:  # too few patients: say in which of a study's manifests
            raise InputError(f"{manifest}: {error}") from error
        self._setup(rows, splits)
        if train_size is not None:
            kept = keep_patients(self._examinations("train"), train_size, seed)
            self._splits = {row: name for row, name in self._splits.items() if name != "train" or row in kept}
        if output_dir is not None:
            write_split(Path(output_dir), self.rows, self._splits)

    @classmethod
    def from_examinations(
        cls, examinations: Sequence[Examination], splits: Mapping[int, str], output_dir: str | Path | None = None
    ) -> Cohort:
        """A cohort with a given split {row: split}, such as a fold of `k_fold`; rows not named are in no split.

        Raises InputError for an unknown split or row and for a patient in two splits.
        """
        cohort = cls.__new__(cls)
        cohort._setup(list(examinations), dict(splits))
        if output_dir is not None:
            write_split(Path(output_dir), cohort.rows, cohort._splits)
        return cohort

    rows: list[Examination]
    _splits: dict[int, str]

    def _setup(self, rows: list[Examination], splits: dict[int, str]) -> None:
        self.rows, self._splits = rows, splits
        unknown = sorted(set(splits) - {one.row for one in rows})
        if unknown:
            raise InputError(f"split: row {unknown[0]} is not in the cohort: split the rows that it has")
        patients: dict[str, tuple[int, str]] = {}
        for one in rows:
            name = splits.get(one.row)
            if name is None:
                continue
            if name not in SPLITS:
                raise InputError(f"split of row {one.row}: found '{name}', expected one of {', '.join(SPLITS)}")
            row, other = patients.setdefault(one.patient_id, (one.row, name))
            if other != name:
                raise InputError(
                    f"split: rows {row} ({other}) and {one.row} ({name}) are one patient: keep a patient in one split"
                )

    def items(self, split: str) -> list[dict[str, Any]]:
        """The items of a split, in the manifest's order, for a MONAI data set.

        split: "train", "validation", "test" or "all".
        Each item: "image" (OCT path) and "fundus" (path), the key of a missing modality being absent;
        "label" (MD in dB, float; nan when unlabelled); "eye" ("OD" or "OS"); "row" (int).
        Raises InputError when the split is unknown or has no examination.
        """
        items = []
        for one in self._examinations(split):
            paths = {"image": one.oct, "fundus": one.fundus}
            item: dict[str, Any] = {key: str(path) for key, path in paths.items() if path is not None}
            items.append(item | {"label": float(one.md_db), "eye": one.eye, "row": one.row})
        return items

    def md_db(self, split: str) -> np.ndarray:
        """(n,) float64: MD in dB of a split's examinations, in the order of `items`; nan when unlabelled."""
        return np.array([one.md_db for one in self._examinations(split)], dtype=np.float64)

    @property
    def md_mean_db(self) -> float:
        """Mean MD of the training split, dB."""
        return float(np.nanmean(self.md_db("train")))

    @property
    def md_sd_db(self) -> float:
        """Standard deviation of the training split's MD, dB, with divisor n.

        Raises InputError when it is 0: a target that never varies cannot be learned.
        """
        sd_db = float(np.nanstd(self.md_db("train")))
        if not sd_db > 0:
            raise InputError("column md_db: the training split's MD has no spread, expected eyes that differ: add some")
        return sd_db

    def n_patients(self, split: str) -> int:
        """Number of patients in a split."""
        return len({one.patient_id for one in self._examinations(split)})

    @property
    def splits(self) -> dict[int, str]:
        """{manifest row: split} of the examinations that are in one."""
        return dict(self._splits)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the manifest's content and the split: equal when two runs used the same eyes alike."""
        return digest(self.rows, self._splits)

    @property
    def eyes_digest(self) -> str:
        """SHA-256 (hex) of the manifest's content alone, however it is split."""
        return digest(self.rows, {})

    def summary(self) -> str:
        """A table of the splits: examinations, eyes, patients, MD mean and SD, stages, missing modalities."""
        return summarise({name: self._in(name) for name in SPLITS}, self.rows)

    def _in(self, split: str) -> list[Examination]:
        return [one for one in self.rows if self._splits.get(one.row) == split]

    def _examinations(self, split: str) -> list[Examination]:
        if split not in (*SPLITS, "all"):
            raise InputError(f"split: found '{split}', expected one of {', '.join(SPLITS)}, all")
        chosen = self.rows if split == "all" else self._in(split)
        if not chosen:
            raise InputError(
                f"split: found no examination in '{split}': give it patients in the split column or in the fractions"
                + ("" if self._splits else "; no split could be drawn here, ask for 'all'")
            )
        return chosen


def _assign(rows: Sequence[Examination], seed: int, fractions: Sequence[float], labels: Labels) -> dict[int, str]:
    given = {one.row: one.split for one in rows if one.split is not None}
    if given:
        return given
    if labels == "optional" and not all(one.labelled for one in rows):
        return {}
    try:
        return split_by_patient(rows, fractions, seed)
    except InputError:
        if labels == "optional":
            return {}
        raise
