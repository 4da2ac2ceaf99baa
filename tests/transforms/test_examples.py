"""The examples in the docstrings run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import bundle.transforms as package

EXAMPLE = re.compile(r"Example: .*?`([^`]+)`", re.DOTALL)
NAMES = [name for name in package.__all__ if name != "SplitSubsetsd"]


@pytest.mark.parametrize("name", NAMES)
def test_example_runs(
    name: str, write_eye: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    item = write_eye()
    Path(item["image"]).rename("a.npz")
    Path(item["fundus"]).rename("a.png")
    found = EXAMPLE.search(inspect.getdoc(getattr(package, name)) or "")
    assert found, f"{name} has no example"
    volume = torch.rand(1, 16, 48, 32)
    assert eval(found[1], {**vars(package), "torch": torch, "volume": volume}) is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_documented(name: str) -> None:
    kind = getattr(package, name)
    text = inspect.getdoc(kind) or ""
    for argument in inspect.signature(kind).parameters:
        assert re.search(rf"\b{argument}\b", text), f"{name}: {argument} is not in the docstring"
