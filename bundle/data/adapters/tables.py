"""Tables of a data set, row by row: a fault is told with file, row and column, never with the patient."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bundle.data.adapters.workbook import read_workbook
from bundle.data.csv_table import read_csv_table
from bundle.data.laterality import normalise_eye
from bundle.data.manifest_cells import MD_RANGE_DB
from bundle.errors import InputError

MISSING = frozenset({"", "/", "na", "n/a", "nan"})


@dataclass(frozen=True)
class Row:
    """One row of one table: `file` and `number` (as a spreadsheet counts) name it in messages."""

    file: str
    number: int
    cells: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.file} row {self.number}"

    def text(self, column: str) -> str | None:
        """The cell's text, or None where the table marks it as missing (`/`, empty, NA)."""
        text = self.cells.get(column, "").strip()
        return None if text.lower() in MISSING else text

    def number_in(self, column: str, low: float, high: float, unit: str) -> float | None:
        """The cell's number, or None when missing; InputError when it is no number within [low, high]."""
        text = self.text(column)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise self.error(column, f"found '{text[:24]}', expected a number of {low:g} to {high:g} {unit} or '/'")
        return value

    def required(self, column: str, low: float, high: float, unit: str) -> float:
        """As `number_in`, but a missing cell is an InputError too."""
        value = self.number_in(column, low, high, unit)
        if value is None:
            raise self.error(column, f"found nothing, expected a number of {low:g} to {high:g} {unit}")
        return value

    def md_db(self, column: str, sign: int = 1) -> str:
        """The cell times `sign` as a manifest's `md_db`, empty when missing; InputError outside the range of an MD."""
        low, high = sorted(sign * limit for limit in MD_RANGE_DB)
        value = self.number_in(column, low, high, "dB")
        return "" if value is None else f"{sign * value:g}"

    def error(self, column: str, found: str) -> InputError:
        """The InputError of one cell."""
        return InputError(f"{self.file}, row {self.number}, column {column}: {found}: correct the cell")


def read_rows(path: Path, known_columns: Sequence[str] = ()) -> list[Row]:
    """The rows of a CSV or of a workbook's first sheet, whose first row names the columns.

    known_columns: names that tell a CSV's delimiter. Raises InputError for an unreadable or empty table.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a table of the data set: check --source")
    if path.suffix.lower() != ".csv":
        (_, header), *records = read_workbook(path)
        named = ((number, zip_longest(header, cells[: len(header)], fillvalue="")) for number, cells in records)
        return [Row(path.name, number, {name: text for name, text in cells if name}) for number, cells in named]
    table = read_csv_table(path, known_columns)
    if table.ragged:
        raise InputError(f"{path.name}, row {table.ragged[0][0]}: {table.ragged[0][1]}")
    return [Row(path.name, number, cells) for number, cells in table.rows]


def id_number(text: str) -> int | None:
    """The one whole number in an identifier: 7 for '0007', '7', '#007' and 'data_0007'; None for none or several."""
    found = re.findall(r"\d+", text)
    return int(found[0]) if len(found) == 1 else None


def by_id(rows: Sequence[Row], column: str) -> dict[int, Row]:
    """The rows by the number in their `column`; InputError for a row without one and for a repeated one."""
    found: dict[int, Row] = {}
    for row in rows:
        number = id_number(row.text(column) or "")
        if number is None:
            raise row.error(column, "found no identifier with one whole number, expected one such as 0001")
        if number in found:
            raise row.error(column, f"found the identifier of row {found[number].number} again, expected each once")
        found[number] = row
    return found


def column_of_eyes(rows: Sequence[Row]) -> str:
    """The name of the one column whose every cell is a laterality: the published tables do not agree on its name."""
    columns = list(rows[0].cells) if rows else []
    found = [name for name in columns if name and all(normalise_eye(row.cells.get(name, "")) for row in rows)]
    if len(found) != 1:
        where = rows[0].file if rows else "table"
        raise InputError(
            f"{where}: found {len(found)} columns with OD or OS in every row, expected one: fill the column of the eye"
        )
    return found[0]
