"""Visual fields from a table, for clinics whose perimeter writes no DICOM: patient_id, eye, date, md_db."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bundle.data.csv_table import read_csv_table
from bundle.data.manifest_cells import parse_eye, parse_md_db, parse_patient
from bundle.errors import InputError
from bundle.ingest.records import Described, Person

COLUMNS = ("patient_id", "eye", "date", "md_db")
_Cell = TypeVar("_Cell")


def read_fields_table(path: str | Path, first_number: int) -> list[Described]:
    """The fields of a CSV, numbered from `first_number` on; dates as 2021-03-31 or 20210331.

    Raises InputError for the first cell that cannot be used, with its row and column; it never quotes a patient.
    """
    path = Path(path)
    table = read_csv_table(path, COLUMNS)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"{path}: found no column '{missing[0]}', expected {', '.join(COLUMNS)}: add it")
    if table.ragged:
        raise InputError(f"{path}: row {table.ragged[0][0]}: {table.ragged[0][1]}")
    fields = []
    for number, (row, cells) in enumerate(table.rows, start=first_number):
        described = Described(
            number=number,
            kind="field",
            path=path,
            person=Person(key=_cell(path, row, cells, "patient_id", parse_patient)),
            eye=_cell(path, row, cells, "eye", parse_eye),
            taken=_cell(path, row, cells, "date", _parse_date),
            md_db=_cell(path, row, cells, "md_db", lambda text: parse_md_db(text, "required")),
        )
        fields.append(described)
    return fields


def _cell(path: Path, row: int, cells: dict[str, str], column: str, parse: Callable[[str], _Cell]) -> _Cell:
    try:
        return parse(cells[column])
    except ValueError as error:
        raise InputError(f"{path}: row {row}, column {column}: {error}") from None


def _parse_date(text: str) -> datetime:
    try:
        return datetime.strptime(text.replace("-", ""), "%Y%m%d")
    except ValueError:
        raise ValueError("found no date, expected one such as 2021-03-31: correct it") from None
