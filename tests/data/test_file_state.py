"""Which change of which file makes another eye."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.data.file_state import file_states


def write(path: Path, content: bytes = b"12345678") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def replaced_with_the_same_size_and_time(path: Path) -> None:
    state = path.stat()
    write(path.with_name("other"), b"87654321").replace(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: write(path, b"123"),
        lambda path: os.utime(path, ns=(1, 1)),
        replaced_with_the_same_size_and_time,
        lambda path: write(path.with_name("eye.json"), b"{}"),
    ],
    ids=["size", "time", "the same size and time", "sidecar"],
)
@pytest.mark.parametrize("name", ["eye.npz", "eye.nii.gz", "eye.dcm"])
def test_a_changed_file_or_sidecar_is_seen(tmp_path: Path, name: str, change: Callable[[Path], object]) -> None:
    path = write(tmp_path / name)
    before = file_states(str(path))
    assert file_states(str(path)) == before
    change(path)
    assert file_states(str(path)) != before


@pytest.mark.parametrize("changed", ["oct/2.png", "oct/oct.json", "oct.json", "oct/3.png"])
def test_a_changed_file_of_a_folder_is_seen(tmp_path: Path, changed: str) -> None:
    for name in ("oct/1.png", "oct/2.png"):
        write(tmp_path / name)
    before = file_states(str(tmp_path / "oct"))
    write(tmp_path / changed, b"another")
    assert file_states(str(tmp_path / "oct")) != before


@pytest.mark.parametrize("start", [b"<?xml", b"\xef\xbb\xbf<HEDX", b"\xff\xfe<\0H\0"], ids=str)
def test_images_beside_an_xml_are_seen(tmp_path: Path, start: bytes) -> None:
    path = write(tmp_path / "export.dat", start)
    image = write(tmp_path / "1.tif")
    before = file_states(str(path))
    write(image, b"another")
    assert file_states(str(path)) != before


def test_other_files_beside_a_volume_do_not_count(tmp_path: Path) -> None:
    path = write(tmp_path / "eye.npz")
    before = file_states(str(path))
    write(tmp_path / "another.npz")
    assert file_states(str(path)) == before


def test_a_path_means_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "scans" / "eye.npz")
    monkeypatch.chdir(tmp_path)
    assert file_states("scans/eye.npz") == file_states(str(path))
    with pytest.raises(FileNotFoundError):
        file_states("eye.npz")
