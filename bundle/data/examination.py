"""One examination of one eye: a validated row of the manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SPLITS = ("train", "validation", "test")
EYES = ("OD", "OS")


@dataclass(frozen=True, kw_only=True)
class Examination:
    """One examination of one eye.

    row: row number as a spreadsheet counts it (the header is row 1); the only name an eye has in messages and outputs.
    eye: "OD" (right) or "OS" (left).
    oct, fundus: absolute paths; None when that modality is missing (never both).
    md_db: Mean Deviation in dB, within [-35, +5]; nan when the row is unlabelled.
    split: "train", "validation", "test", or None when the manifest leaves the split to a seed.
    visit: the visit's name or date as written; age: years; extra: every other column as text.

    `repr` leaves out what could identify a person: patient, visit, age and the extra columns.
    """

    row: int
    patient_id: str = field(repr=False)
    eye: str
    oct: Path | None = None
    fundus: Path | None = None
    md_db: float = math.nan
    split: str | None = None
    visit: str | None = field(default=None, repr=False)
    age: float | None = field(default=None, repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def labelled(self) -> bool:
        """Whether the row has an MD."""
        return not math.isnan(self.md_db)
