"""The manifest, read as far as it can be: every problem is kept, and the rest of a faulty row is still looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bundle.data import manifest_checks
from bundle.data.csv_table import Table, read_csv_table
from bundle.data.examination import Examination
from bundle.data.manifest import MEANT_COLUMNS, Labels, column_problems, labels_in
from bundle.data.manifest_row import Problem, parse_row
from bundle.doctor.finding import Finding, from_problems
from bundle.doctor.hidden_names import hide_names

_CHECK_OF_COLUMN = {
    "oct": "files", "fundus": "files", "md_db": "labels", "eye": "laterality", "split": "splits",
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """examinations: of every row that names a patient, an eye and an image, without its faulty cells; findings: what
    the table alone shows; n_rows: of the table, faulty ones too."""

    examinations: list[Examination]
    findings: list[Finding]
    n_rows: int


def read_rows(path: Path, labels: Labels) -> Rows:
    """Read the manifest without its images.

    labels: "required", or "optional" for a table without MD.
    Raises InputError when the file is no table at all.
    """
    table = read_csv_table(path, MEANT_COLUMNS)
    wrong_columns = column_problems(table.columns, labels)
    if wrong_columns or not (table.rows or table.ragged):
        problems = wrong_columns or [Problem(1, "", "found a header and no rows: add one row an examination")]
        return Rows([], from_problems("table", problems), len(table.rows))
    problems = [Problem(row, "", text) for row, text in table.ragged]
    examinations = []
    for row, cells in table.rows:
        examination, found = _salvage(row, cells, path.parent, labels)
        problems += [replace(one, text=hide_names(one.text, *_names(path.parent, cells))) for one in found]
        examinations += [] if examination is None else [examination]
    findings = []
    for check in dict.fromkeys(map(_check_of, problems)):
        findings += from_problems(check, [one for one in problems if _check_of(one) == check], merge=True)
    findings += _over_rows(examinations, table, any(one.column == "split" for one in problems))
    return Rows(examinations, findings, len(table.rows) + len(table.ragged))


def _salvage(
    row: int, cells: Mapping[str, str], folder: Path, labels: Labels
) -> tuple[Examination | None, list[Problem]]:
    """The examination, if need be without the cells that are wrong; checksums are compared with the images, later."""
    examination, problems = parse_row(row, cells, folder, labels, verify_checksums=False)
    if examination is None:
        wrong = {one.column for one in problems}
        rest = {name: "" if name in wrong else text for name, text in cells.items()}
        examination, _ = parse_row(row, rest, folder, "optional", verify_checksums=False)
    return examination, problems


def _names(folder: Path, cells: Mapping[str, str]) -> list[Path | str]:
    given = [cells[name] for name in ("oct", "fundus") if cells.get(name)]
    return [*given, *((folder / name).absolute() for name in given)]


def _check_of(problem: Problem) -> str:
    return _CHECK_OF_COLUMN.get(problem.column, "table")


def _over_rows(examinations: list[Examination], table: Table, split_is_wrong: bool) -> list[Finding]:
    found = from_problems("duplicates", manifest_checks.duplicates(examinations))
    found += from_problems("duplicates", manifest_checks.shared_files(examinations))
    found += from_problems("leakage", manifest_checks.leaking_patients(examinations))
    if not split_is_wrong:
        found += from_problems("splits", manifest_checks.partial_split(examinations))
    return found + from_problems("labels", manifest_checks.md_scale(labels_in(table)))
