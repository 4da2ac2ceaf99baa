"""Reads the GRAPE tables and photographs: one `GrapeVisit` a visit with a usable field.

GRAPE (Huang et al., Scientific Data 2023): glaucoma patients with Octopus G1 fields, disc photographs and, at the
first visit, the thickness of the retinal nerve fibre layer (RNFL). A source folder holds

    GRAPE_VF.csv         the sheet "Baseline": a row an eye
    GRAPE_FollowUps.csv  the sheet "Follow-up": a row a visit, the first visit included (optional)
    rois/                the photographs named by the column `Corresponding CFP` (optional)

Columns are found by name; others are ignored, above all `MD`, which is a 0/1 progression flag and not a Mean Deviation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bundle.data.adapters import grape_cells as cells
from bundle.data.adapters.grape_cells import FIELD_COLUMNS, Rnfl
from bundle.data.adapters.prepared import LeftOut
from bundle.data.adapters.tables import Row
from bundle.data.csv_table import read_csv_table
from bundle.errors import InputError

BASELINE_FILE = "GRAPE_VF.csv"
FOLLOW_UP_FILE = "GRAPE_FollowUps.csv"
PHOTO_FOLDERS = ("rois", "ROIs", "ROI images", "CFPs")
Visits = Literal["baseline", "all"]

_COMMON_COLUMNS = ("Subject Number", "Laterality", *FIELD_COLUMNS)
_BASELINE_COLUMNS = (*_COMMON_COLUMNS, "Age")
_FOLLOW_UP_COLUMNS = (*_COMMON_COLUMNS, "Visit Number", "Interval Years")
_MAX_AGE_YEARS = 120.0


@dataclass(frozen=True, kw_only=True, eq=False)
class GrapeVisit:
    """One visit of one eye.

    source: file and row. sensitivities_db: (59,), unseen points 0 dB. rnfl, photograph: None when missing.
    """

    source: str
    subject: int
    eye: str
    visit: int
    age_years: float
    sex: str | None
    sensitivities_db: NDArray[np.float64]
    rnfl: Rnfl | None
    photograph: Path | None


def read_grape(source: str | Path, visits: Visits = "baseline") -> tuple[list[GrapeVisit], list[LeftOut]]:
    """The visits of a GRAPE folder in the order of its tables, and the rows left out with the reason.

    visits: "baseline", or "all" to add the follow-up visits that have a photograph (they have no RNFL; their age is
        the baseline age plus the interval). Visit 1 of the follow-up table is the baseline row and not read again.
    A row is left out when its age or a point of its field is missing, or it has neither RNFL nor a photograph.
    Raises InputError for a folder without the tables, a missing column, a cell out of range or a repeated eye.
    """
    folder = Path(source)
    _check_folder(folder)
    photographs = _photographs(folder)
    baseline, left_out = _collect(
        _baseline_visit(row, photographs) for row in _rows(folder / BASELINE_FILE, _BASELINE_COLUMNS)
    )
    _check_repeats(baseline)
    follow_ups: list[GrapeVisit] = []
    if visits == "all" and (folder / FOLLOW_UP_FILE).is_file():
        first = {(visit.subject, visit.eye): visit for visit in baseline}
        rows = [row for row in _rows(folder / FOLLOW_UP_FILE, _FOLLOW_UP_COLUMNS) if _visit_number(row) > 1]
        follow_ups, without = _collect(_follow_up_visit(row, first, photographs) for row in rows)
        _check_repeats(follow_ups)
        left_out += without
    return baseline + follow_ups, left_out


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected one that holds {BASELINE_FILE}: check --source")
    if (folder / BASELINE_FILE).is_file():
        return
    if list(folder.glob("*.xls*")):
        raise InputError(
            f"{folder}: found an Excel workbook, expected CSV: export its sheet 'Baseline' as {BASELINE_FILE} "
            f"and 'Follow-up' as {FOLLOW_UP_FILE}, each with one header row that names the columns"
        )
    raise InputError(f"{folder}: found no {BASELINE_FILE}, expected the baseline table of GRAPE: check --source")


def _photographs(folder: Path) -> dict[str, Path]:
    """Photographs by lower-case file name; the first of `PHOTO_FOLDERS` that exists is the one that is read."""
    for name in PHOTO_FOLDERS:
        if (folder / name).is_dir():
            return {path.name.lower(): path for path in sorted((folder / name).iterdir()) if path.is_file()}
    return {}


def _rows(path: Path, required: tuple[str, ...]) -> list[Row]:
    table = read_csv_table(path, required)
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise InputError(f"{path.name}, row 1: found no column '{missing[0]}', expected it as in GRAPE: add it")
    if table.ragged:
        number, problem = table.ragged[0]
        raise InputError(f"{path.name}, row {number}: {problem}")
    return [Row(path.name, number, row_cells) for number, row_cells in table.rows]


def _collect(results: Iterable[GrapeVisit | LeftOut]) -> tuple[list[GrapeVisit], list[LeftOut]]:
    visits: list[GrapeVisit] = []
    left_out: list[LeftOut] = []
    for result in results:
        if isinstance(result, LeftOut):
            left_out.append(result)
        else:
            visits.append(result)
    return visits, left_out


def _baseline_visit(row: Row, photographs: dict[str, Path]) -> GrapeVisit | LeftOut:
    age_years = row.number_in("Age", 0, _MAX_AGE_YEARS, "years")
    return _visit(row, 1, age_years, cells.read_sex(row), cells.read_rnfl(row), photographs)


def _follow_up_visit(
    row: Row, first: dict[tuple[int, str], GrapeVisit], photographs: dict[str, Path]
) -> GrapeVisit | LeftOut:
    baseline = first.get((cells.read_subject(row), cells.read_eye(row)))
    if baseline is None:
        return LeftOut(f"{row.file} row {row.number}", "the eye has no baseline row, so its age is unknown")
    years = row.number_in("Interval Years", 0, _MAX_AGE_YEARS, "years")
    age_years = None if years is None else baseline.age_years + years
    return _visit(row, _visit_number(row), age_years, baseline.sex, None, photographs)


def _visit(
    row: Row, number: int, age_years: float | None, sex: str | None, rnfl: Rnfl | None, photographs: dict[str, Path]
) -> GrapeVisit | LeftOut:
    subject, eye = cells.read_subject(row), cells.read_eye(row)
    source = f"{row.file} row {row.number}"
    sensitivities_db = cells.read_sensitivities_db(row)
    photograph = photographs.get((row.text("Corresponding CFP") or "").lower())
    if age_years is None:
        return LeftOut(source, "the age is missing")
    if sensitivities_db is None:
        return LeftOut(source, "a point of the visual field is missing")
    if rnfl is None and photograph is None:
        return LeftOut(source, "neither a photograph nor RNFL")
    return GrapeVisit(
        source=source, subject=subject, eye=eye, visit=number, age_years=age_years, sex=sex,
        sensitivities_db=sensitivities_db, rnfl=rnfl, photograph=photograph,
    )  # fmt: skip


def _visit_number(row: Row) -> int:
    return int(row.required("Visit Number", 1, 1000, "(a whole number)"))


def _check_repeats(visits: list[GrapeVisit]) -> None:
    seen: dict[tuple[int, str, int], str] = {}
    for visit in visits:
        key = (visit.subject, visit.eye, visit.visit)
        if key in seen:
            raise InputError(f"{visit.source}: the same eye and visit as {seen[key]}, expected one row: remove one")
        seen[key] = visit.source
