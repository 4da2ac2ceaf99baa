"""What a walk finds, and what it does not follow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.errors import InputError
from bundle.ingest import walk as walking
from bundle.ingest.walk import walk


def test_files_come_numbered_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/2.dcm", "a.dcm", "b/10.dcm", "b/c/1.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"x")
    sources, left_out, paths = walk(tmp_path)
    found = [str(one.path.relative_to(tmp_path)) for one in sources]
    assert found == ["a.dcm", "b/10.dcm", "b/2.dcm", "b/c/1.dcm"]
    assert [one.number for one in sources] == [1, 2, 3, 4]
    assert left_out == []
    assert paths == {one.number: one.path for one in sources}


def test_links_out_and_in_circles_are_told_and_not_followed(tmp_path: Path) -> None:
    source, outside = tmp_path / "source", tmp_path / "outside"
    for folder in (source / "a", outside):
        folder.mkdir(parents=True)
    (source / "a" / "scan").write_bytes(b"x")
    (outside / "secret").write_bytes(b"x")
    (source / "circle").symlink_to(source)
    (source / "out").symlink_to(outside)
    (source / "file").symlink_to(outside / "secret")
    (source / "dangling").symlink_to(outside / "nothing")
    sources, left_out, _ = walk(source)
    assert [one.path for one in sources] == [source / "a" / "scan"]
    assert [one.reason for one in left_out] == [walking.LINK] * 4


def test_empty_special_and_system_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(b"x")
    (tmp_path / "empty").touch()
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "DICOMDIR").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    sources, left_out, paths = walk(tmp_path)
    reasons = {paths[one.number].name: one.reason for one in left_out}
    assert reasons == {
        "empty": walking.EMPTY, ".DS_Store": walking.SYSTEM, "DICOMDIR": walking.SYSTEM, "pipe": walking.SPECIAL,
    }  # fmt: skip
    assert len(sources) == 1


def test_unreadable_files_and_folders_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for the system's answers, as nothing is unreadable to the superuser."""
    (tmp_path / "locked").mkdir()
    for name in ("locked/a", "forbidden", "scan"):
        (tmp_path / name).write_bytes(b"x")
    scandir, access = os.scandir, os.access

    def locked(path: Path | str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "forbidden" and access(path, mode))
    sources, left_out, paths = walk(tmp_path)
    assert [one.path.name for one in sources] == ["scan"]
    assert {paths[one.number].name: one.reason for one in left_out} == dict.fromkeys(
        ("locked", "forbidden"), walking.UNREADABLE
    )


def test_a_folder_with_its_own_oct_json_is_one_source(tmp_path: Path) -> None:
    scans = tmp_path / "all" / "7_OD_2024-01-31"
    scans.mkdir(parents=True)
    for name in ("0.png", "1.png", "oct.json"):
        (scans / name).write_bytes(b"x")
    (tmp_path / "all" / "oct.json").write_bytes(b"x")  # serves folders: these are files of their own
    sources, _, _ = walk(tmp_path)
    assert [one.path for one in sources] == [scans, tmp_path / "all" / "oct.json"]


def test_no_folder_and_nothing_in_it_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no folder"):
        walk(tmp_path / "absent")
    with pytest.raises(InputError, match="found no file"):
        walk(tmp_path)
