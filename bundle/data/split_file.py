"""Writes which eye went to which split, without anything that names a patient."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.data.examination import Examination
from bundle.errors import InputError


def write_split(folder: Path, rows: Sequence[Examination], splits: Mapping[int, str]) -> Path:
    """Write `folder`/split.csv with the columns row, eye, split, md_db; empty cells where a row has none.

    The file is replaced in one step, so a reader, or another rank of the same run, never sees half of it.
    Raises InputError when the folder cannot be made or written.
    """
    lines = ["row,eye,split,md_db"]
    lines += [f"{one.row},{one.eye},{splits.get(one.row, '')},{one.md_db if one.labelled else ''}" for one in rows]
    target = folder / "split.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".split-{uuid.uuid4().hex}"
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{target} cannot be written ({reason}): choose another output_dir") from error
    return target
