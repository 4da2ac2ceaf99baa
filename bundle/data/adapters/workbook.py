"""Excel workbooks (.xlsx) as text cells, the way a spreadsheet numbers its rows."""

from __future__ import annotations

from pathlib import Path

from openpyxl import load_workbook

from bundle.errors import InputError

_MAX_BYTES = 64 * 2**20
_MAX_COLUMNS = 512


def read_workbook(path: Path) -> list[tuple[int, list[str]]]:
    """(row number, cells as text) of the first sheet's rows that are not blank; whole numbers have no dot.

    Raises InputError for a file that is no workbook (.xlsx) or has no filled row.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path.name}: larger than {_MAX_BYTES >> 20} MiB, which no table of these data sets is")
        with path.open("rb") as file:
            sheet = load_workbook(file, read_only=True, data_only=True).worksheets[0]
            sheet.reset_dimensions()  # some writers state a wrong size
            records = [
                (number, [_text(value) for value in cells[:_MAX_COLUMNS]])
                for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1)
            ]
    except InputError:
        raise
    except Exception as error:  # a damaged archive or sheet raises anything; its text may quote a cell
        kind = type(error).__name__
        raise InputError(f"{path.name}: cannot be read as an Excel workbook ({kind}): copy or save it again") from error
    filled = [record for record in records if any(record[1])]
    if not filled:
        raise InputError(f"{path.name}: found no filled row, expected the table of the data set: copy it again")
    return filled


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
