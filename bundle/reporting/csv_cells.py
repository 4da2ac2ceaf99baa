"""Numbers in CSV cells: an empty cell is "unknown" (NaN), and a bad one is named by its row and column."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bundle.errors import InputError


def number_cell(value: float) -> str:
    """Seven significant digits, which is what a float32 holds; empty for NaN.

    >>> number_cell(-3.25), number_cell(float("nan"))
    ('-3.25', '')
    """
    return "" if math.isnan(value) else f"{value:.7g}"


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The text of a CSV file with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def read_csv(path: str | os.PathLike[str], required: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file as dicts of text.

    Raises:
        InputError: no such file, a missing column, or a row with more or fewer cells than the header.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no such file")
    with file.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        columns = reader.fieldnames or []
        missing = [name for name in required if name not in columns]
        if missing:
            raise InputError(f"{path}: no column '{missing[0]}', expected {', '.join(required)}")
        rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise InputError(f"{path}, row {number}: expected {len(columns)} cells, one for each column")
    return rows


def parse_number(text: str, path: str | os.PathLike[str], row: int, column: str) -> float:
    """A finite number, or NaN for an empty cell.

    Raises:
        InputError: anything else.
    """
    try:
        value = float(text) if text.strip() else math.nan
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise InputError(f"{path}, row {row}, column '{column}': found '{text}', expected a number or nothing")
    return value


def parse_integer(text: str, path: str | os.PathLike[str], row: int, column: str) -> int:
    """A whole number.

    Raises:
        InputError: anything else.
    """
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{path}, row {row}, column '{column}': found '{text}', expected a whole number") from None
