"""Right or left: one spelling, and the refusal of files that contradict the manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.data.examination import Examination
from bundle.errors import InputError

_SPELLINGS = {"od": "OD", "r": "OD", "right": "OD", "re": "OD", "os": "OS", "l": "OS", "left": "OS", "le": "OS"}
_IN_NAME = re.compile(r"(?<![A-Za-z])(OD|OS)(?![A-Za-z])", re.IGNORECASE)


def normalise_eye(text: str) -> str | None:
    """ "OD" or "OS" for any usual spelling (od, R, right, RE, ...); None for anything else."""
    return _SPELLINGS.get(text.strip().lower())


def eye_in_file_name(path: Path) -> str | None:
    """The eye that a file or folder name states as a word of its own (`17_OS_1.jpg`); None for none or both."""
    found = {match.upper() for match in _IN_NAME.findall(path.name)}
    return found.pop() if len(found) == 1 else None


def check_laterality(
    examination: Examination | Mapping[str, Any], found: str | None, source: str = "the file's header"
) -> None:
    """Refuse an image whose eye is not the manifest's.

    examination: an `Examination` or an item of `Cohort.items` (its `row` and `eye` are read).
    found: the laterality that the file states, any usual spelling; None (the file states nothing) is accepted.
    source: where `found` was read, for the message.
    Raises InputError naming the row when the two disagree or `found` is no laterality.
    """
    if found is None:
        return
    is_item = isinstance(examination, Mapping)
    row, eye = (examination["row"], examination["eye"]) if is_item else (examination.row, examination.eye)  # type: ignore[index, union-attr]
    stated = normalise_eye(found)
    if stated != eye:
        where = "eye" if row is None else f"manifest row {row}, column eye"
        raise InputError(
            f"{where}: found {eye}, but {source} says {stated or 'neither OD nor OS'}; "
            "expected the same eye: correct the one that is wrong"
        )
