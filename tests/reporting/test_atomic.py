import json
import os
import stat

import pytest

from bundle.reporting import write_bytes_atomic, write_json_atomic, write_text_atomic


def test_folders_are_made_and_text_is_utf8(tmp_path) -> None:
    path = write_text_atomic(tmp_path / "a" / "b.txt", "dB²\n")
    assert path.read_bytes() == "dB²\n".encode()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(step, tmp_path, monkeypatch) -> None:
    path = write_text_atomic(tmp_path / "report.md", "old")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="no space left"):
        write_bytes_atomic(path, b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.md"]


def test_files_have_the_permissions_of_an_ordinary_file(tmp_path) -> None:
    (tmp_path / "plain").write_text("x")
    path = write_text_atomic(tmp_path / "atomic", "x")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_json_is_strict(tmp_path) -> None:
    path = write_json_atomic(tmp_path / "m.json", {"mse": float("nan"), "list": [float("inf"), 1.5], "n": 3})

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(path.read_text(), parse_constant=refuse) == {"mse": None, "list": [None, 1.5], "n": 3}
