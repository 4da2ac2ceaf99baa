"""Reads a CSV as a spreadsheet wrote it: comma, semicolon or tab, byte-order mark, any line ending."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bundle.errors import InputError

_DELIMITERS = (",", ";", "\t")
_MAX_BYTES = 256 * 2**20  # a manifest of a million rows is a tenth of this; anything larger is not a manifest


@dataclass(frozen=True)
class Table:
    """columns: header names; rows: (spreadsheet row number, {column: text}); ragged: rows of wrong length, and why."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]
    ragged: list[tuple[int, str]]


def read_csv_table(path: Path, known_columns: Collection[str]) -> Table:
    """Read `path`; the delimiter is the one under which the header holds most of `known_columns`.

    Blank rows are skipped but counted, so that row numbers are a spreadsheet's. Cells are stripped of outer blanks.
    Raises InputError for a missing, unreadable, empty, binary or non-UTF-8 file and for repeated column names.
    """
    text = _read_text(path)
    delimiter = _sniff_delimiter(text, known_columns)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}: not a valid CSV ({error}): look for a quotation mark never closed") from error
    header = [cell.strip() for cell in records[0]]
    _check_header(path, header)
    rows, ragged = [], []
    for number, record in enumerate(records[1:], start=2):
        cells = [cell.strip() for cell in record]
        if not any(cells):
            continue
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):
            hint = "is a comma used as the decimal sign?" if len(cells) > len(header) else "is the row cut short?"
            ragged.append((number, f"found {len(cells)} cells, expected {len(header)} as in the header: {hint}"))
            continue
        rows.append((number, {name: cell for name, cell in zip(header, cells, strict=True) if name}))
    return Table([name for name in header if name], rows, ragged)


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise InputError(f"{path}: found a folder, expected a CSV file: name the manifest inside it")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: found a device or pipe, expected a CSV file")
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: larger than {_MAX_BYTES >> 20} MiB, which no manifest is: is it an image?")
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path}: the manifest cannot be read ({reason}): check the path and permissions") from error
    if not raw.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError(f"{path}: the manifest is empty, expected a header and one row an examination")
    if raw[:4] == b"PK\x03\x04":
        raise InputError(f"{path}: found an Excel workbook or zip archive, expected a CSV: save it as 'CSV UTF-8'")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line} is not UTF-8 text: save the file as 'CSV UTF-8'") from error
    if "\0" in text:
        raise InputError(f"{path}: found zero bytes, expected UTF-8 text: save the file as 'CSV UTF-8'")
    return text


def _sniff_delimiter(text: str, known_columns: Collection[str]) -> str:
    """The delimiter whose header holds most known names, then most cells; the comma when nothing tells."""
    header = io.StringIO(text, newline=None).readline()

    def score(delimiter: str) -> tuple[int, int]:
        cells = [cell.strip().strip('"') for cell in header.split(delimiter)]
        return sum(cell in known_columns for cell in cells), len(cells)

    return max(_DELIMITERS, key=score)


def _check_header(path: Path, header: list[str]) -> None:
    if not any(header):
        raise InputError(f"{path}: row 1 is blank, expected the column names")
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise InputError(f"{path}: row 1: column '{repeated[0]}' is there twice, expected once: rename or remove one")
