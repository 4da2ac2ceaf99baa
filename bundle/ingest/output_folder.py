"""The output folder: claimed once for a key, and cleared of copies that nothing names any more."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from bundle.errors import InputError
from bundle.ingest.copies import RECORDS, SUFFIXES
from bundle.ingest.pseudonym import Pseudonyms
from bundle.reporting.atomic import write_json_atomic

SETTINGS_FILE = "ingest.json"
VERSION = 1  # raised whenever the same sources would give other copies
_OURS = re.compile(r"P[0-9A-Z]{10}_O[DS]_[0-9A-Z]{10}")


def claim(out: Path, source: Path, names: Pseudonyms) -> None:
    """Make the folder ours, or refuse it: it must be new, empty, or written with the same key.

    Raises InputError also when one of the two folders lies in the other.
    """
    inner, outer = out.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InputError(f"--out: {out} and the source folder lie in each other, expected separate folders: move one")
    record = out / SETTINGS_FILE
    settings = {"version": VERSION, "key_check": names.signature("key check")}
    try:
        if record.is_file():
            if json.loads(record.read_text(encoding="utf-8")) != settings:
                raise InputError(
                    f"{out}: was written with another key or version, expected the same: "
                    "name its --key, or choose another --out"
                )
            return
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(
                f"{out}: found something that was not ingested, expected a new folder: choose another --out"
            )
        write_json_atomic(record, settings)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}): choose another --out") from error


def clear(out: Path, kept: Collection[str]) -> None:
    """Remove copies, and their records, of which the name is not in `kept`: of a patient who withdrew, for example."""
    for folder in (*SUFFIXES, RECORDS):
        for file in sorted((out / folder).glob("P*_O[DS]_*")):
            if _OURS.fullmatch(file.stem) and file.stem not in kept:
                file.unlink()
