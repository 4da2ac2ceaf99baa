"""Finds every file below a folder, in a fixed order, without following links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bundle.errors import InputError
from bundle.ingest.records import LeftOut, Source

LINK = "a symbolic link, which is never followed: a link may lead out of the folder or in a circle"
UNREADABLE = "cannot be read: check the permissions"
SPECIAL = "a device, pipe or socket"
SYSTEM = "a file of the operating system or of an export, not an image"
EMPTY = "0 bytes: copy it again"
_SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "dicomdir"}
FOLDER_SIDECAR = "oct.json"  # marks a folder whose images are the B-scans of one volume


def walk(folder: str | Path) -> tuple[list[Source], list[LeftOut], dict[int, Path]]:
    """All sources below `folder`, numbered from 1 in the order of their paths.

    A folder that holds `oct.json` is one source, a folder of B-scans; every other file is one by itself.
    Returns the sources, what cannot be one (links, unreadable, empty and system files), and the path of every number.
    Raises InputError when `folder` is no folder, cannot be read, or holds nothing.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{folder}: found no folder, expected one with DICOM or vendor files: check the path")
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be read: check the permissions")
    sources, left_out, paths = [], [], {}
    for number, (path, refusal) in enumerate(_entries(root), start=1):
        paths[number] = path
        if refusal:
            left_out.append(LeftOut(number=number, reason=refusal))
        else:
            sources.append(Source(number=number, path=path))
    if not sources:
        raise InputError(f"{folder}: found no file that can be read, expected DICOM or vendor files: check the path")
    return sources, left_out, paths


def _entries(folder: Path) -> Iterator[tuple[Path, str]]:
    """(path, "" or why it is no source) of everything below a folder; an unreadable folder is one entry."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        yield folder, UNREADABLE
        return
    if any(entry.name == FOLDER_SIDECAR for entry in entries) and _is_plain(entries):
        yield folder, ""
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            yield path, LINK
        elif entry.is_dir(follow_symlinks=False):
            yield from _entries(path)
        else:
            yield path, _refusal(entry)


def _is_plain(entries: list[os.DirEntry[str]]) -> bool:
    """Whether a folder holds files alone; `oct.json` beside folders serves those folders."""
    return all(entry.is_file(follow_symlinks=False) for entry in entries)


def _refusal(entry: os.DirEntry[str]) -> str:
    if not entry.is_file(follow_symlinks=False):
        return SPECIAL
    if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_NAMES:
        return SYSTEM
    if not os.access(entry.path, os.R_OK):
        return UNREADABLE
    return EMPTY if entry.stat(follow_symlinks=False).st_size == 0 else ""
