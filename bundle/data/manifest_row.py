"""Turns one row of the manifest into an `Examination`, or into the list of what is wrong with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.data.examination import Examination
from bundle.data.laterality import eye_in_file_name
from bundle.data.manifest_cells import parse_age, parse_eye, parse_md_db, parse_path, parse_patient, parse_split

_FIELDS = {"patient_id", "eye", "oct", "fundus", "md_db", "split", "age", "visit"}


@dataclass(frozen=True)
class Problem:
    """One fault of the manifest: where, and a sentence with what was found, what was expected and the fix."""

    row: int
    column: str
    text: str

    def __str__(self) -> str:
        return f"row {self.row}" + (f", column {self.column}" if self.column else "") + f": {self.text}"


def parse_row(
    row: int, cells: Mapping[str, str], folder: Path, labels: str, verify_checksums: bool
) -> tuple[Examination | None, list[Problem]]:
    """The examination of a row and its problems; the examination is None when there are any.

    folder: what relative paths are relative to. The patient's identifier never enters a problem's text.
    """
    problems: list[Problem] = []

    def cell(column: str, parse: Callable[[str], object]) -> object:
        try:
            return parse(cells.get(column, ""))
        except ValueError as error:
            problems.append(Problem(row, column, str(error)))
            return None

    values = {
        "patient_id": cell("patient_id", parse_patient),
        "eye": cell("eye", parse_eye),
        "md_db": cell("md_db", lambda text: parse_md_db(text, labels)),
        "split": cell("split", parse_split),
        "age": cell("age", parse_age),
        "oct": cell("oct", lambda text: parse_path(text, folder, folders_allowed=True)),
        "fundus": cell("fundus", lambda text: parse_path(text, folder, folders_allowed=False)),
    }
    if not cells.get("oct") and not cells.get("fundus"):
        problems.append(Problem(row, "oct", "found neither an OCT nor a fundus path, expected at least one: fill one"))
    for modality in ("oct", "fundus"):
        problems += _file_problems(row, modality, cells, values, verify_checksums)
    if problems:
        return None, problems
    visit = cells.get("visit") or cells.get("visit_date") or None
    extra = {name: text for name, text in cells.items() if name not in _FIELDS}
    return Examination(row=row, visit=visit, extra=extra, **values), []  # type: ignore[arg-type]


def _file_problems(
    row: int, modality: str, cells: Mapping[str, str], values: Mapping[str, object], verify_checksums: bool
) -> list[Problem]:
    """A file name that states the other eye, and a checksum that is malformed or not the file's."""
    path, problems = values[modality], []
    if not isinstance(path, Path):
        return []
    stated, eye = eye_in_file_name(path), values["eye"]
    if stated and eye and stated != eye:
        text = f"found {eye}, but the {modality} file's name '{path.name}' says {stated}: correct one of the two"
        problems.append(Problem(row, "eye", text))
    if verify_checksums:
        problems += checksum_problems(row, modality, path, cells.get(f"sha256_{modality}", ""))
    return problems


def checksum_problems(row: int, modality: str, path: Path, expected: str) -> list[Problem]:
    """A checksum that is malformed or not the file's; an empty one is none.

    modality: "oct" or "fundus", for the column's name. expected: the cell `sha256_oct` or `sha256_fundus`.
    """
    expected, column, problems = expected.lower(), f"sha256_{modality}", []
    if not expected:
        return []
    if not re.fullmatch("[0-9a-f]{64}", expected):
        problems.append(Problem(row, column, "found no SHA-256, expected 64 hexadecimal digits: correct it"))
    elif path.is_dir():
        problems.append(Problem(row, column, "found a checksum for a folder, expected one for a file: empty the cell"))
    else:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                problems.append(Problem(row, column, "found another checksum, so the file changed: restore it"))
    return problems
