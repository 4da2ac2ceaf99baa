"""What tells one state of an eye's files from another, without reading them: names, sizes and times of change."""

from __future__ import annotations

import os
from pathlib import Path

State = tuple[str, int, int, int]

_HEAD_BYTES = 4  # a byte-order mark and the first character
_BESIDE_FILE = (".json", ".hdr")  # the sidecar; a header that makes another format of the file
_BESIDE_FOLDER = "oct.json"


def file_states(path: str) -> tuple[State, ...]:
    """(path, bytes, ns of the last writing, ns of the last change of any kind) of every file that a reader may use.

    That is the file itself, or the files of a folder; their sidecars; and for XML, which names images, the files beside
    it. Paths are absolute, so that they mean the same from everywhere. The time of any change is there because a file
    may be replaced by one of the same size and time of writing, as by the next release of an archive that holds no
    times. A file that was moved or copied counts as another one: only reading all of it could tell.

    path: an existing file or folder. Raises OSError where it cannot be looked at.
    """
    file = Path(os.path.abspath(path))
    if file.is_dir():
        return (_state(file), *_in_folder(file), *_existing(file.parent / _BESIDE_FOLDER))
    stem = Path(file.name.removesuffix(".gz")).stem
    beside = _existing(*(file.with_name(stem + suffix) for suffix in _BESIDE_FILE))
    return (_state(file), *beside, *(_in_folder(file.parent) if _is_xml(file) else ()))


def _state(path: Path) -> State:
    state = path.stat()
    return str(path), state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _in_folder(folder: Path) -> tuple[State, ...]:
    with os.scandir(folder) as entries:
        return _existing(*sorted(Path(entry.path) for entry in entries))


def _existing(*paths: Path) -> tuple[State, ...]:
    return tuple(_state(path) for path in paths if path.is_file())


def _is_xml(path: Path) -> bool:
    if not path.is_file():
        return False  # a pipe or a device would keep its reader waiting
    with path.open("rb") as file:
        return b"<" in file.read(_HEAD_BYTES)
