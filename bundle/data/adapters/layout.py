"""Finds the parts of a published data set in the folder that a user names, and refuses a folder that is another set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from bundle.data.adapters.tables import id_number
from bundle.errors import InputError

SPLIT_FOLDERS = {
    "train": ("Training", "train"), "validation": ("Validation", "val"), "test": ("Test", "Testing", "test"),
}  # fmt: skip
_DEPTHS = ("", "*/", "*/*/")  # archives unpack into one or two folders of their own name
_TABLES = (".csv", ".xlsx")


def source_folder(source: str | Path | None, holds: str) -> Path:
    """The folder that the user names; InputError when there is none. holds: what it should hold, for the message."""
    if source is None:
        raise InputError(f"source: found nothing, expected the folder that holds {holds}: add --source /path/to/it")
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected the one that holds {holds}: check --source")
    return folder.resolve()


def find_folder(source: Path, name: str) -> Path:
    """The one folder `name` in `source`, at most two folders down; InputError when there is none or more than one."""
    found = _folders(source, name)
    if len(found) != 1:
        fix = "name the folder that holds one of them" if found else "check --source"
        raise InputError(f"{source}: found {len(found)} folders {name}, expected one: {fix}")
    return found[0]


def find_optional_folder(source: Path, name: str) -> Path | None:
    """As `find_folder`, but None when there is none."""
    return find_folder(source, name) if _folders(source, name) else None


def _folders(source: Path, name: str) -> list[Path]:
    found = {path for depth in _DEPTHS for path in source.glob(depth + name) if path.is_dir()}
    return sorted(found | ({source} if source.name == name else set()))


def find_table(folders: Iterable[Path], *stems: str) -> Path | None:
    """The first table that exists: `<stem>.csv` or `<stem>.xlsx`, folder by folder; None when there is none."""
    places = (folder / (stem + suffix) for folder in folders for stem in stems for suffix in _TABLES)
    return next((path for path in places if path.is_file()), None)


def needed_table(folders: Iterable[Path], *stems: str) -> Path:
    """As `find_table`, but InputError when there is none."""
    folders = list(folders)
    path = find_table(folders, *stems)
    if path is None:
        raise InputError(
            f"{folders[0]}: found no {stems[0]}.csv or .xlsx, expected the data set's table: copy it there"
        )
    return path


def files_by_split(source: Path, pattern: str) -> list[tuple[str, Path]]:
    """(split, file) of every file `pattern`, in the order of split and name.

    The split is the published folder that a file lies in (Training, Validation, Test, or as the authors' code renames
    them); without such folders it is "", for all. InputError when there is no file, or a split's folder twice.
    """
    found: list[tuple[str, Path]] = []
    for split, names in SPLIT_FOLDERS.items():
        named = [place for name in names for place in _folders(source, name)]
        places = {place.stat().st_ino: place for place in named}  # where case does not count, Test is test
        if len(places) > 1:
            raise InputError(f"{source}: found {len(places)} folders of the split {split}, expected one: name one set")
        found += [(split, path) for place in places.values() for path in sorted(place.glob(pattern))]
    found = found or [("", path) for path in sorted(source.glob(pattern))]
    if not found:
        raise InputError(f"{source}: found no {pattern}, nor in Training, Validation or Test: check --source")
    return found


def file_number(path: Path) -> int:
    """The number of `data_00001.npz`; InputError for a name without one."""
    number = id_number(path.stem)
    if number is None:
        raise InputError(f"{path.name}: found no single number in the name, expected one such as data_00001: rename it")
    return number


def fingerprint(source: Path, paths: Iterable[Path]) -> str:
    """SHA-256 over names and sizes of files, numbers of entries of folders, and the content of tables."""
    digest = hashlib.sha256()
    for path in paths:
        if path.is_dir():
            state = str(sum(1 for _ in path.iterdir()))
        elif path.suffix.lower() in _TABLES:
            state = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            state = str(path.stat().st_size)
        digest.update(f"{path.relative_to(source).as_posix()}\t{state}\n".encode())
    return digest.hexdigest()
