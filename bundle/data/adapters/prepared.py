"""The folder an adapter prepares: a manifest, links to the published files, and the sidecars those files lack.

dataset.json      what it was made from; another source or option is refused, so that no two cohorts mix
oct/, fundus/     links to the published files, which stay where they are, or small conversions
notes.txt         what was assumed and what was left out, and why
unlabelled.csv    the eyes without an MD, for prediction, when others have one
manifest.csv      written last: a folder that has it is complete
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from bundle.data.adapters.claimed_folder import claim
from bundle.data.adapters.output import Output, csv_text, write_bytes
from bundle.data.manifest import read_manifest
from bundle.data.readers import read_fundus, read_oct
from bundle.errors import InputError

MANIFEST_FILE = "manifest.csv"
UNLABELLED_FILE = "unlabelled.csv"
NOTES_FILE = "notes.txt"
VERSION = 1  # raised whenever the same source and options would give another manifest or other images
_COLUMNS = ("patient_id", "eye", "oct", "fundus", "md_db", "split", "age", "sex", "grade")
_log = logging.getLogger(__name__)

Cells = Mapping[str, str]


@dataclass(frozen=True)
class LeftOut:
    """A row or file that became no examination: where it is and why."""

    source: str
    reason: str


def prepare(
    out_dir: str | Path,
    settings: Mapping[str, object],
    eyes: Sequence[Callable[[Output], Cells | LeftOut]],
    notes: Sequence[str] = (),
    progress: bool = True,
) -> str:
    """Prepare a data set in `out_dir`, or find it prepared; returns the path of its manifest.csv.

    settings: all that the result depends on: the set's name, its files' fingerprint, the options.
    eyes: one function an eye, which writes what the eye needs and returns its cells of the manifest.
    notes: what is assumed; logged at every run, with what was left out.

    The manifest holds the eyes with an MD, and the others are in unlabelled.csv. Where no eye has an MD the manifest
    has no column md_db and serves prediction alone. An interrupted preparation is completed: what is written stays.
    Raises InputError when no eye is left, an image of the first eye cannot be read, or `out_dir` holds anything else.
    """
    folder = Path(out_dir)
    claim(folder, {"version": VERSION, **settings})
    manifest = folder / MANIFEST_FILE
    if not manifest.is_file() or _moved(folder):
        output = Output(folder)
        rows: list[Cells] = []
        left_out: list[LeftOut] = []
        for eye in _progress(eyes, progress):
            made = eye(output)
            if isinstance(made, LeftOut):
                left_out.append(made)
            else:
                rows.append(made)
        _write(folder, rows, [*notes, *_reasons(left_out, len(eyes))])
    for line in (folder / NOTES_FILE).read_text(encoding="utf-8").splitlines():
        _log.warning("%s", line)
    return str(manifest)


def _moved(folder: Path) -> bool:
    """Whether a link leads nowhere: the published files lie in another place now, so that all are linked anew."""
    links = (path for pattern in ("oct/*", "oct/*/bscans", "fundus/*") for path in folder.glob(pattern))
    return any(link.is_symlink() and not link.exists() for link in links)


def _write(folder: Path, rows: Sequence[Cells], notes: Sequence[str]) -> None:
    labelled = [row for row in rows if row.get("md_db")]
    rest = [row for row in rows if not row.get("md_db")]
    if not rows:
        reasons = "; ".join(notes) or "the source holds none"
        raise InputError(f"{folder}: no eye is left to use: {reasons}")
    if not labelled:
        notes = [*notes, "no eye has an MD: the manifest has no md_db and serves prediction (configs/inference.yaml)"]
    elif rest:
        notes = [
            *notes,
            f"eyes with an MD: {len(labelled)} in {MANIFEST_FILE}; without: {len(rest)} in {UNLABELLED_FILE}",
        ]
        _check_and_place(folder, rest, UNLABELLED_FILE)
    write_bytes(folder / NOTES_FILE, "".join(f"{line}\n" for line in notes).encode())
    _check_and_place(folder, labelled or rest, MANIFEST_FILE)


def _check_and_place(folder: Path, rows: Sequence[Cells], name: str) -> None:
    """Write a manifest under its name only after it was read back, with the first volume and photograph in it."""
    columns = [column for column in _COLUMNS if any(row.get(column) for row in rows) or column in ("oct", "fundus")]
    part = folder / f".{os.getpid()}.{name}"
    write_bytes(part, csv_text(columns, [[row.get(column, "") for column in columns] for row in rows]).encode())
    examinations = read_manifest(part, labels="required" if "md_db" in columns else "optional")
    first_oct = next((one.oct for one in examinations if one.oct), None)
    first_fundus = next((one.fundus for one in examinations if one.fundus), None)
    if first_oct is not None:
        read_oct(first_oct)
    if first_fundus is not None:
        read_fundus(first_fundus)
    part.replace(folder / name)


def _reasons(left_out: Sequence[LeftOut], total: int) -> list[str]:
    lines = []
    for reason, count in Counter(one.reason for one in left_out).most_common():
        first = next(one.source for one in left_out if one.reason == reason)
        lines.append(f"left out {count} of {total} (first: {first}): {reason}")
    return lines


def _progress(
    eyes: Sequence[Callable[[Output], Cells | LeftOut]], wanted: bool
) -> Iterator[Callable[[Output], Cells | LeftOut]]:
    hidden = not (wanted and sys.stderr.isatty())
    yield from tqdm(eyes, desc="preparing the data set", unit="eye", disable=hidden)
