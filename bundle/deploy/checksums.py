"""SHA256SUMS: one line a file, as the command `sha256sum --check SHA256SUMS` reads it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from bundle.errors import InputError
from bundle.reporting.atomic import write_text_atomic

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_CACHES = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}  # what Python and its tools leave behind
_OUTPUTS = {"eval", "data"}  # what running the bundle in its own folder leaves behind


def sha256(path: Path) -> str:
    """The file's checksum, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bundle_files(folder: Path) -> list[str]:
    """Paths relative to the folder, sorted, without caches, without what runs left in eval/ and data/."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if not _CACHES & set(path.parts) and path.parts[0] not in _OUTPUTS and path.suffix != ".pyc"
    )


def write_sums(folder: Path) -> Path:
    """Write SHA256SUMS of every file of the folder but itself."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in bundle_files(folder) if name != SUMS]
    return write_text_atomic(folder / SUMS, "".join(lines))


def read_sums(folder: Path) -> dict[str, str]:
    """Checksum by relative path.

    Raises:
        InputError: no such file, or a line that is not a checksum, two spaces and a path.
    """
    path = folder / SUMS
    if not path.is_file():
        raise InputError(f"{SUMS}: not found; make the package again")
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(f"{SUMS}: line {number} is no checksum and path; make the package again")
        sums[match[2]] = match[1]
    return sums
