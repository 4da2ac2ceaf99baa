"""Which files ship, and what becomes of links to the others."""

from pathlib import Path

import pytest

from bundle.deploy.package.contents import DOCS, SCRIPTS, source_files
from bundle.deploy.package.links import without_dead_links
from bundle.errors import InputError
from tests.deploy.packaged import ROOT


def test_every_listed_file_exists() -> None:
    files = source_files(ROOT)
    assert {f"docs/{name}" for name in DOCS} <= set(files)
    assert {f"scripts/{name}.py" for name in SCRIPTS} <= set(files)


def test_a_checkout_without_git_gives_its_files_without_caches(tmp_path: Path) -> None:
    for name in ("LICENSE", "requirements.txt", "scripts/__init__.py", "scripts/predict.py", "scripts/bench.py",
                 "bundle/a.py", "bundle/__pycache__/a.pyc", "bundle/comparison/b.py", ".venv/bundle/c.py",
                 "configs/train.yaml", "tests/test_a.py", "docs/results/x.md", "docs/README.md"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert source_files(tmp_path) == [
        "LICENSE", "bundle/a.py", "configs/train.yaml", "docs/README.md", "requirements.txt", "scripts/__init__.py",
        "scripts/predict.py",
    ]  # fmt: skip
    (tmp_path / "LICENSE").unlink()
    with pytest.raises(InputError, match="LICENSE"):
        source_files(tmp_path)


def test_dead_links_become_text() -> None:
    text = "[a](own_data.md#x) [b](results/r.md) ![c](images/p.png) [d](https://monai.io) [e](#here) [f](../LICENSE)"
    assert without_dead_links(text, "docs/method.md", {"docs/own_data.md", "LICENSE"}) == (
        "[a](own_data.md#x) b c [d](https://monai.io) [e](#here) [f](../LICENSE)"
    )
