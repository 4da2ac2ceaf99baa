"""The example of docs/new_method.md, taken from the page: its test passes and its overlay makes a step."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bundle.losses
from bundle.comparison.methods import catalogue
from bundle.comparison.methods.cards import read_card
from tests.integration.test_method_overlays import (
    moves,
    one_epoch,
    parser_of,
    process_as_it_was,
    relative_difference,
)
from tests.toy import write_cohort

__all__ = ["process_as_it_was"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "new_method.md"
BLOCK = re.compile(r"^`([\w/]+\.\w+)`\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE, NAME = "bundle.losses.effective_number", "effective_number"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the page's files, which the package and the list of methods take for their own."""
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(bundle.losses, "__path__", [*bundle.losses.__path__, str(tmp_path / "bundle" / "losses")])
    overlay = tmp_path / "configs" / "methods" / f"{NAME}.yaml"
    (overlay.parent / "concat.yaml").write_text((catalogue.METHODS_FOLDER / "concat.yaml").read_text(encoding="utf-8"))
    monkeypatch.setattr(catalogue, "METHODS_FOLDER", overlay.parent)
    yield tmp_path
    sys.modules.pop(MODULE, None)
    if hasattr(bundle.losses, NAME):
        delattr(bundle.losses, NAME)


def test_the_page_has_a_class_an_overlay_and_a_test(example: Path) -> None:
    names = {path.relative_to(example).as_posix() for path in example.rglob("*") if path.is_file()}
    assert names == {
        "bundle/losses/effective_number.py", "configs/methods/effective_number.yaml", "configs/methods/concat.yaml",
        "tests/losses/test_effective_number.py",
    }  # fmt: skip
    source = (example / "bundle/losses/effective_number.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 50


def test_the_pages_own_test_passes_and_is_the_one_that_the_overlay_names(example: Path) -> None:
    path = example / "tests" / "losses" / "test_effective_number.py"
    spec = importlib.util.spec_from_file_location("example_of_the_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = [name for name in vars(module) if name.startswith("test_")]
    assert len(tests) == 3
    for name in tests:
        getattr(module, name)()
    oracle = read_card(catalogue.METHODS_FOLDER / f"{NAME}.yaml").oracle
    assert oracle in [f"tests/losses/{path.name}::{name}" for name in tests]


def test_the_overlay_weighs_the_training_eyes_and_its_step_is_not_plain_fusions(example: Path, tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "cohort", 12)
    trainer, _ = one_epoch(parser_of(NAME, manifest, tmp_path / "run"))
    assert not trainer.state.output["skipped"]
    assert type(trainer.descent_weight).__module__ == MODULE
    found, plain = (moves(name, manifest, tmp_path / name) for name in (NAME, "concat"))
    assert relative_difference(found, plain) > 1e-5
