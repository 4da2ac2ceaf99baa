"""One package for all tests of its verification; a test that damages it takes a copy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.deploy.checksums import write_sums
from bundle.deploy.zoo_rules import DEFAULT_NAME
from tests.deploy.packaged import package


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with nothing wrong; not to be changed."""
    return package(tmp_path_factory.mktemp("package")).folder


LIGHT = (
    "LICENSE", "requirements.txt", "docs/README.md", "docs/own_data.md", "configs/metadata.json",
    "configs/evaluate.yaml", "configs/inference.yaml", "models/model.pt", "bundle/__init__.py",
    "bundle/errors.py", "bundle/weights.py",
)  # fmt: skip


@pytest.fixture
def light(whole: Path, tmp_path: Path) -> Path:
    """A few files of the package, enough for the checks of files; to damage."""
    folder = tmp_path / DEFAULT_NAME
    for name in LIGHT:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(whole / name, folder / name)
    write_sums(folder)
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to damage."""
    folder = tmp_path / DEFAULT_NAME
    shutil.copytree(whole, folder)
    yield folder
    shutil.rmtree(folder)
