"""`python -m scripts.serve_monailabel` where MONAI Label is missing, and what it listens to."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bundle.deploy.monailabel.server import _is_loopback, serve
from bundle.errors import InputError
from scripts import serve_monailabel


def test_without_monai_label_the_command_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(InputError, match=r"not installed; docs/monailabel\.md"):
        serve_monailabel.main(["--studies", str(tmp_path), "--model", str(tmp_path)])


def test_only_this_machine_is_listened_to_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("bundle.deploy.monailabel.server.build_server", lambda *values: asked.append(values))
    monkeypatch.setattr("bundle.deploy.monailabel.server.serve", lambda _, *values: asked.append(values))
    serve_monailabel.main(["--studies", "s"])
    assert asked == [("s", "models", "127.0.0.1", "cpu"), ("127.0.0.1", 8000)]


@pytest.mark.parametrize("port", [0, -1, 2**16])
def test_a_port_that_is_none_is_told(port: int) -> None:
    with pytest.raises(InputError, match="port: found"):
        serve(None, "127.0.0.1", port)


def test_which_addresses_are_this_machines_own() -> None:
    own, others = ("127.0.0.1", "::1", "localhost"), ("0.0.0.0", "10.0.0.7", "clinic.example")
    assert all(map(_is_loopback, own))
    assert not any(map(_is_loopback, others))
