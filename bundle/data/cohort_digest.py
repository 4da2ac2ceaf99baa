"""One number that tells whether two runs used the same eyes in the same way."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.data.examination import Examination


def digest(rows: Sequence[Examination], splits: Mapping[int, str]) -> str:
    """SHA-256 (hex) of every column of the examinations, their order, and the split {row: split}.

    Paths count relative to their common folder, so moving the data set as a whole changes nothing.
    The images' own content is not read: the columns `sha256_oct` and `sha256_fundus` stand for it when given.
    """
    folders = [path.parent for one in rows for path in (one.oct, one.fundus) if path is not None]
    root = os.path.commonpath(folders) if folders else ""

    def relative(path: Path | None) -> str | None:
        return None if path is None else Path(os.path.relpath(path, root)).as_posix()

    def fields(one: Examination) -> list[object]:
        md_db = one.md_db if one.labelled else None
        personal = [one.patient_id, one.visit, one.age, sorted(one.extra.items())]
        return [one.row, one.eye, relative(one.oct), relative(one.fundus), md_db, splits.get(one.row), *personal]

    return hashlib.sha256(json.dumps([fields(one) for one in rows]).encode()).hexdigest()
