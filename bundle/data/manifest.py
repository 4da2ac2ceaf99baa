"""The manifest: the one table that tells which eyes there are, where their images lie and what their MD is."""

from __future__ import annotations

import math
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from bundle.data import manifest_checks as checks
from bundle.data.csv_table import Table, read_csv_table
from bundle.data.examination import Examination
from bundle.data.manifest_row import Problem, parse_row
from bundle.errors import InputError

Labels = Literal["required", "optional"]

MEANT_COLUMNS = (
    "patient_id", "eye", "oct", "fundus", "md_db", "split", "visit", "visit_date", "age", "sha256_oct", "sha256_fundus",
)  # fmt: skip
_ALIASES = {
    "md": "md_db", "meandeviation": "md_db", "vfmd": "md_db", "laterality": "eye", "patient": "patient_id",
    "subject": "patient_id", "subjectid": "patient_id", "photo": "fundus", "cfp": "fundus", "volume": "oct",
}  # fmt: skip
_SHOWN_PROBLEMS = 20


def read_manifest(path: str | Path, labels: Labels = "required", verify_checksums: bool = True) -> list[Examination]:
    """Read and validate a manifest CSV; every problem of every row is collected before anything is refused.

    path: the CSV (UTF-8; comma, semicolon or tab); relative image paths are relative to its folder.
    labels: "required" (training, evaluation) or "optional" (prediction: `md_db` may be empty or absent).
    verify_checksums: compare the files with the columns `sha256_oct` and `sha256_fundus` where a row fills them.
    Returns the examinations in the file's order. Columns and file formats: docs/own_data.md.
    Raises InputError: its first line names the first problem and the count; up to 20 lines follow, one a problem.
    """
    path = Path(path)
    if labels not in ("required", "optional"):
        raise InputError(f"labels: found {labels!r}, expected 'required' or 'optional'")
    table = read_csv_table(path, MEANT_COLUMNS)
    _refuse(path, column_problems(table.columns, labels))
    problems = [Problem(row, "", text) for row, text in table.ragged]
    examinations = []
    for row, cells in table.rows:
        examination, found = parse_row(row, cells, path.parent, labels, verify_checksums)
        problems += found
        if examination is not None:
            examinations.append(examination)
    if not table.rows and not problems:
        raise InputError(f"{path}: found a header and no rows, expected one row an examination")
    for check in (checks.duplicates, checks.shared_files, checks.leaking_patients, checks.partial_split):
        problems += check(examinations)
    problems.sort(key=lambda problem: problem.row)
    _refuse(path, checks.md_scale(labels_in(table)) + problems)
    return examinations


def labels_in(table: Table) -> list[float]:
    """Every MD of the file that is a number, in range or not: what tells a whole column's scale and sign."""
    values = []
    for _, cells in table.rows:
        try:
            values.append(float(cells.get("md_db", "")))
        except ValueError:
            continue  # named as a problem of its row
    return [value for value in values if math.isfinite(value)]


def column_problems(columns: list[str], labels: Labels) -> list[Problem]:
    """Needed columns that the header lacks, and columns that are nearly one of `MEANT_COLUMNS`."""
    required = ["patient_id", "eye"] + (["md_db"] if labels == "required" else [])
    missing = [name for name in required if name not in columns]
    if "oct" not in columns and "fundus" not in columns:
        missing.append("oct" if _resembling("oct", columns) else "fundus")
    problems = []
    for name in MEANT_COLUMNS:
        alike = None if name in columns else _resembling(name, columns)
        if alike:
            problems.append(Problem(1, alike, f"found column '{alike}', which looks like '{name}': rename it"))
        elif name in missing:
            shown = ", ".join(columns[:12])
            problems.append(Problem(1, name, f"found no column '{name}' among: {shown}; expected it: add it"))
    return problems


def _resembling(name: str, columns: list[str]) -> str | None:
    """The column probably meant as `name`: the same but for case and signs, a usual synonym, or one typo away."""
    others = [column for column in columns if column not in MEANT_COLUMNS]
    plain = {"".join(c for c in column.lower() if c.isalnum()): column for column in others}
    target = name.replace("_", "")
    for key, column in plain.items():
        if key == target or _ALIASES.get(key) == name:
            return column
    near = get_close_matches(target, plain, n=1, cutoff=0.88)
    return plain[near[0]] if near else None


def _refuse(path: Path, problems: list[Problem]) -> None:
    if not problems:
        return
    more = len(problems) - 1
    count = f" (problem 1 of {more + 1}, the others follow)" if more else ""
    lines = [f"{path}: {problems[0]}{count}", *(f"  {problem}" for problem in problems[1 : _SHOWN_PROBLEMS + 1])]
    if more > _SHOWN_PROBLEMS:
        lines.append(f"  ... and {more - _SHOWN_PROBLEMS} more")
    raise InputError("\n".join(lines))
