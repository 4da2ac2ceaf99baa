"""What only several rows together can show: duplicates, leaks between patients, a column in the wrong scale or sign."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bundle.data.examination import Examination
from bundle.data.manifest_row import Problem

_MIN_FLAG_ROWS = 4  # fewer rows can hold MDs of 0.0 and 1.0 by chance
_MIN_SIGN_ROWS = 5
_SIGN_LIMIT_DB = 1.0  # a cohort of healthy eyes has its mean MD near 0


def duplicates(examinations: Sequence[Examination]) -> list[Problem]:
    """The same patient, eye, visit and files in two rows."""
    first: dict[tuple[object, ...], int] = {}
    problems = []
    for one in examinations:
        key = (one.patient_id, one.eye, one.visit, _real(one.oct), _real(one.fundus))
        if key in first:
            problems.append(Problem(one.row, "", f"the same examination as row {first[key]}: remove one of the two"))
        first.setdefault(key, one.row)
    return problems


def _real(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()


def shared_files(examinations: Sequence[Examination]) -> list[Problem]:
    """One file, or one checksum, used for two patients or for two eyes."""
    first: dict[tuple[str, str], Examination] = {}
    problems = []
    for one in examinations:
        for modality, path in (("oct", one.oct), ("fundus", one.fundus)):
            if path is None:
                continue
            checksum = one.extra.get(f"sha256_{modality}", "").lower()
            for key in ((modality, str(_real(path))), (modality, checksum)):
                if not key[1]:
                    continue
                other = first.setdefault(key, one)
                if (other.patient_id, other.eye) != (one.patient_id, one.eye):
                    text = f"the same file as row {other.row}, which is another eye: name each eye's own file"
                    problems.append(Problem(one.row, modality, text))
                    break
    return problems


def leaking_patients(examinations: Sequence[Examination]) -> list[Problem]:
    """A patient in two splits: the model would be tested on a person it has seen."""
    by_patient: dict[str, list[Examination]] = defaultdict(list)
    for one in examinations:
        if one.split is not None:
            by_patient[one.patient_id].append(one)
    neighbours = (pair for rows in by_patient.values() for pair in pairwise(rows))
    text = "found {0}, but row {1} has the same patient in {2}, expected one split: keep them together"
    return [Problem(b.row, "split", text.format(b.split, a.row, a.split)) for a, b in neighbours if a.split != b.split]


def partial_split(examinations: Sequence[Examination]) -> list[Problem]:
    """A split column that only some rows fill."""
    empty = [one.row for one in examinations if one.split is None]
    if not empty or len(empty) == len(examinations):
        return []
    text = f"found {len(empty)} empty of {len(examinations)}, expected all or none: fill it, or empty the column"
    return [Problem(empty[0], "split", text)]


def md_scale(md_db: Sequence[float]) -> list[Problem]:
    """A whole MD column that is a 0/1 flag (GRAPE's `MD`), or that counts loss as positive."""
    if len(md_db) >= _MIN_FLAG_ROWS and set(md_db) <= {0.0, 1.0}:
        text = (
            "found only 0 and 1, which are flags (such as 'progressed'), expected dB: use the column that holds the MD"
        )
        return [Problem(1, "md_db", text)]
    mean_db = sum(md_db) / max(len(md_db), 1)
    positive = sum(value > 0 for value in md_db)
    if len(md_db) >= _MIN_SIGN_ROWS and mean_db > _SIGN_LIMIT_DB and positive > len(md_db) / 2:
        text = f"found a mean of {mean_db:+.1f} dB, expected loss to be negative: change the column's sign"
        return [Problem(1, "md_db", text)]
    return []
