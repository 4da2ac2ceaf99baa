"""One thing that the doctor found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bundle.data.manifest_row import Problem

LEVELS = ("error", "warning", "note")
_VALUES = re.compile(r"'[^']*'|[-+]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Finding:
    """One fault, or one thing worth knowing.

    level: "error" (the training would stop, or its result would be wrong), "warning" (probably wrong: look at it) or
        "note" (good to know).
    check: name of the check.
    rows: manifest rows it is about, ascending; empty when it is about the whole cohort.
    message: what was found and what was expected. fix: what to do; empty when there is nothing to do.

    No field holds a patient's identifier or a file's name.
    """

    level: str
    check: str
    rows: tuple[int, ...]
    message: str
    fix: str = ""


def from_problems(check: str, problems: Iterable[Problem], merge: bool = False) -> list[Finding]:
    """Errors of the manifest's problems; those that say the same of the same column are one finding.

    merge: also those that differ in numbers and quoted cells only; the first one's text stands for all.
    """
    groups: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for one in problems:
        groups[one.column, _VALUES.sub("", one.text) if merge else one.text].append(one)
    return [_finding(check, group) for group in groups.values()]


def _finding(check: str, group: list[Problem]) -> Finding:
    """A problem's text ends with its fix, after the last colon."""
    first = group[0]
    found, _, fix = first.text.rpartition(": ")
    message = f"column {first.column}: {found or fix}" if first.column else found or fix
    if len({one.text for one in group}) > 1:
        message += f" (row {first.row}; the others alike)"
    return Finding("error", check, tuple(sorted({one.row for one in group})), message, fix if found else "")
