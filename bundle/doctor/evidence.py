"""All that the checks look at: the table's rows, the split, and numbers of every image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.data.examination import Examination
from bundle.data.manifest import Labels
from bundle.data.splits import split_by_patient
from bundle.doctor.fundus_facts import FundusFacts
from bundle.doctor.measure import EyeFacts, measure
from bundle.doctor.oct_facts import OctFacts
from bundle.doctor.rows import Rows, read_rows
from bundle.errors import InputError


@dataclass(frozen=True)
class Evidence:
    """rows: the manifest; eyes: {row: numbers of its images}; labels: "required" or "optional".

    splits: {row: split}; the manifest's, else the one that `Cohort` would draw with seed 0; empty when there is none.
    split_given: whether the manifest has it. no_split: why none can be drawn, else empty.
    """

    rows: Rows
    eyes: dict[int, EyeFacts]
    labels: Labels
    splits: dict[int, str]
    split_given: bool
    no_split: str

    @property
    def examinations(self) -> list[Examination]:
        """Of every row that could be made use of."""
        return self.rows.examinations

    @property
    def oct(self) -> dict[int, OctFacts]:
        """{row: numbers} of the volumes that could be read."""
        return {row: eye.oct for row, eye in self.eyes.items() if eye.oct is not None}

    @property
    def fundus(self) -> dict[int, FundusFacts]:
        """{row: numbers} of the photographs that could be read."""
        return {row: eye.fundus for row, eye in self.eyes.items() if eye.fundus is not None}

    def md_db(self, split: str | None = None) -> np.ndarray:
        """(n,) the labels in dB of a split, or of all rows."""
        chosen = (one for one in self.examinations if split is None or self.splits.get(one.row) == split)
        return np.array([one.md_db for one in chosen if one.labelled], dtype=np.float64)

    def patient_numbers(self) -> dict[int, int]:
        """{row: number of its patient}, counted from 1 in the order of the table: tells which eyes belong together."""
        numbers: dict[str, int] = {}
        return {one.row: numbers.setdefault(one.patient_id, len(numbers) + 1) for one in self.examinations}


def gather(manifest: Path, labels: Labels = "required", workers: int | None = None) -> Evidence:
    """Read a manifest and all its images.

    workers: threads; None takes one a core. Raises InputError when the manifest is no table at all.
    """
    rows = read_rows(manifest, labels)
    eyes = measure(rows.examinations, workers or os.cpu_count() or 1) if rows.examinations else []
    given = {one.row: one.split for one in rows.examinations if one.split is not None}
    splits, no_split = (given, "") if given or not rows.examinations else _drawn(rows.examinations)
    return Evidence(rows, {eye.row: eye for eye in eyes}, labels, splits, bool(given), no_split)


def _drawn(examinations: list[Examination]) -> tuple[dict[int, str], str]:
    try:
        return split_by_patient(examinations), ""
    except InputError as error:
        return {}, str(error)
