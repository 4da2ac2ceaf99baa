"""OCT volumes that an export wrote as one file a B-scan: the files of a series become one source."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bundle.ingest.records import Described, LeftOut
from bundle.ingest.walk import FOLDER_SIDECAR

DIFFER = "one frame of a series whose files differ in patient, eye or date"


def join_series(described: list[Described]) -> tuple[list[Described], list[LeftOut], dict[int, int]]:
    """The descriptions, the single frames of a series in one folder being one.

    The joined one has the number of its first file, the folder as its path, and the files as its members.
    Returns also the frames left out, and {number of another frame: number of its series' first file}.
    """
    series: dict[tuple[Path, str], list[Described]] = defaultdict(list)
    joined = [one for one in described if not one.series]
    for one in described:
        if one.series:
            series[one.path.parent, one.series].append(one)
    left_out: list[LeftOut] = []
    parts: dict[int, int] = {}
    for frames in series.values():
        if len({(one.person, one.eye, one.taken.date()) for one in frames}) > 1:
            left_out += [one.left_out(DIFFER) for one in frames]
            continue
        joined.append(_join(frames))
        parts |= {one.number: frames[0].number for one in frames[1:]}
    return sorted(joined, key=lambda one: one.number), left_out, parts


def _join(frames: list[Described]) -> Described:
    refers: frozenset[str] = frozenset().union(*(one.refers for one in frames))
    return replace(
        frames[0], path=frames[0].path.parent, members=tuple(one.path for one in frames), n_bscans=len(frames),
        taken=min(one.taken for one in frames), burned_in=any(one.burned_in for one in frames),
        uid=frames[0].series, refers=refers,
    )  # fmt: skip


@contextmanager
def by_itself(path: Path, members: tuple[Path, ...]) -> Iterator[Path]:
    """The path, or, for a folder that holds more than `members`, a temporary folder with links to these alone."""
    if not path.is_dir() or set(members) >= set(path.iterdir()):
        yield path
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "series"
        folder.mkdir()
        for number, member in enumerate(members):
            (folder / f"{number:06d}").symlink_to(member.resolve())
        for sidecar in (path / FOLDER_SIDECAR, path.parent / FOLDER_SIDECAR):
            if sidecar.is_file() and not (folder / FOLDER_SIDECAR).exists():
                (folder / FOLDER_SIDECAR).symlink_to(sidecar.resolve())
        yield folder
