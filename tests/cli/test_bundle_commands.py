"""The commands that make and check a package, as a user types them."""

import sys
from pathlib import Path

import pytest

from bundle.deploy.zoo_rules import DEFAULT_NAME
from bundle.errors import run_main
from scripts import package_bundle, verify_bundle
from tests.deploy.packaged import write_run


def call(monkeypatch: pytest.MonkeyPatch, script: object, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    with pytest.raises(SystemExit) as done:
        run_main(script.main)  # type: ignore[attr-defined]
    return int(done.value.code or 0)


def test_package_then_quick_verification_of_its_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_run(tmp_path / "run", report=False)
    out = tmp_path / "dist"
    assert call(monkeypatch, package_bundle, "--out", str(out), "--model", str(model)) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [str(out / DEFAULT_NAME), str(out / f"{DEFAULT_NAME}_v0.1.0.zip")]
    assert printed[-1].startswith("no score")
    assert call(monkeypatch, package_bundle, "--out", str(out), "--model", str(model)) == 2
    assert "--force" in capsys.readouterr().err
    (out / DEFAULT_NAME / "LICENSE").unlink()
    monkeypatch.setattr("bundle.deploy.verify.verify.NetworkChecks.checks", lambda _: [])
    assert call(monkeypatch, verify_bundle, str(out / DEFAULT_NAME), "--quick") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("FAIL  required files: missing LICENSE; fix: ")]
    assert lines[-1].startswith("9 ok, 2 failed")  # the licence is missing for the checksums too


@pytest.mark.parametrize(
    ("script", "arguments", "word"),
    [
        (package_bundle, ["--out", "x", "--name", "MD"], "underscores"),
        (package_bundle, ["--out", "x", "--model", "absent"], "absent"),
        (verify_bundle, ["absent", "--quick"], "no such folder"),
        (verify_bundle, ["absent", "--quick", "--env", "x"], "--quick together"),
    ],
    ids=["name", "model", "folder", "options"],
)
def test_a_mistake_is_one_line(
    script: object, arguments: list[str], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, script, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert word in error
    assert list(tmp_path.iterdir()) == []
