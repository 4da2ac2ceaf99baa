"""The code that prepares eyes tells its version itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from monai.transforms import Compose

from bundle.data import code_version as module
from bundle.data.code_version import code_version
from bundle.transforms import ResampleToGridd, StandardizeOctIntensityd

ROOT = Path(__file__).resolve().parents[2]
PRINT = (
    "from bundle.data.code_version import code_version\n"
    "from bundle.data.shared_items import lasting_fingerprint\n"
    "from mine.gain import Gain\n"
    "print(code_version([Gain()]), lasting_fingerprint([Gain()]))\n"
)
GAIN = "from mine.helper import HALF\nclass Gain:\n    def __init__(self):\n        self.by = {'a', 'b', HALF}\n"


def versions(checkout: Path, hash_seed: str) -> list[str]:
    """Of the code and of the configuration, in a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join([str(checkout), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    assert "None" not in done.stdout
    return done.stdout.split()


def test_checkouts_of_the_same_code_agree_in_every_process_and_another_code_does_not(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    (here / "mine").mkdir(parents=True)
    for name, source in (("__init__.py", ""), ("gain.py", GAIN), ("helper.py", "HALF = 0.5\n")):
        (here / "mine" / name).write_text(source)
    shutil.copytree(here, elsewhere)
    first = versions(here, "1")
    assert versions(elsewhere, "2") == first
    (elsewhere / "mine" / "helper.py").write_text("HALF = 0.5  # changed\n")
    changed = versions(elsewhere, "1")
    assert changed[0] != first[0]
    assert changed[1] == first[1]


@pytest.mark.parametrize("changed", ["laterality.py", "readers/npz.py", "readers/dicom/frames.py", "readers/new.py"])
def test_readers_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    before = code_version([max])
    copy = tmp_path / "data"
    shutil.copytree(module._DATA, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "_DATA", copy)
    assert code_version([max]) == before
    with (copy / changed).open("a") as file:
        file.write("# changed\n")
    assert code_version([max]) != before


def test_another_release_of_a_library_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_version([max])
    monkeypatch.setattr(module, "version", lambda name: "99")
    assert code_version([max]) != before


def test_transforms_inside_of_others_count() -> None:
    grid = ResampleToGridd("image")
    plain = code_version([max])
    assert code_version([Compose([grid])]) not in (None, plain)
    assert code_version([partial(map, grid)]) not in (None, plain)
    assert code_version([grid]) == code_version([grid, StandardizeOctIntensityd("image")])  # of one package


def test_what_has_no_name_or_no_source_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_version([lambda item: item]) is None
    typed = type("Typed", (), {"__module__": "typed_in"})
    console = type(sys)("typed_in")
    console.Typed = typed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "typed_in", console)
    assert code_version([typed()]) is None
