"""The matrix on environments that exist already: nothing is downloaded here."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle.deploy.versions import matrix, tests_run
from bundle.deploy.versions.columns import COLUMNS, requirements
from bundle.deploy.versions.environment import MARK, digest, is_ready, prepare, python_of
from bundle.deploy.versions.matrix import run_matrix
from bundle.deploy.versions.table import markdown
from bundle.deploy.versions.tests_run import counts
from bundle.errors import InputError

XML = """<testsuites><testsuite>
<testcase classname="a" name="good"/><testcase classname="a" name="bad[1]"><failure/></testcase>
<testcase classname="b" name="broken"><error/></testcase><testcase classname="b" name="off"><skipped/></testcase>
<testcase classname="b" name="fine"/></testsuite></testsuites>"""


def test_counts_are_those_of_the_report(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(XML)
    assert counts(tmp_path / "junit.xml") == {
        "passed": 2, "failed": 2, "skipped": 1, "failures": ["a::bad[1]", "b::broken"],
    }  # fmt: skip
    assert counts(tmp_path / "absent.xml")["passed"] == 0


def test_the_table_shows_what_was_installed_and_names_what_failed() -> None:
    result = {
        "versions": {"torch": "2.13.0+cpu", "monai": "1.6.0"}, "passed": 7, "failed": 1, "skipped": 2,
        "failures": ["a::bad"], "seconds": 61.4, "date": "2026-11-25",
    }  # fmt: skip
    lines = markdown({"oldest": result}, "2 cores").splitlines()
    assert len({line.count("|") for line in lines[:3]}) == 1
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    assert (cells[0], cells[2], cells[3], cells[4]) == ("oldest", "2.13.0+cpu", "1.6.0", "-")
    assert cells[-5:] == ["7", "1", "2", "61", "2026-11-25"]
    assert "- `a::bad`" in lines


# ---- doing again only what is missing ------------------------------------------------------------------------------


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A column's folder whose environment is this interpreter."""
    folder = tmp_path / "newest"
    python_of(folder).parent.mkdir(parents=True)
    python_of(folder).symlink_to(sys.executable)
    (folder / MARK).write_text(json.dumps({"digest": digest(requirements(COLUMNS["newest"]))}))
    return folder


def test_a_finished_environment_serves_again_until_a_pin_changes(ready: Path) -> None:
    lines = requirements(COLUMNS["newest"])
    assert is_ready(ready, lines)
    assert prepare(ready, lines) == 0.0
    assert not is_ready(ready, [*lines, "another>=1"])
    (ready / MARK).write_text("{")  # as an interrupted installation may leave it
    assert not is_ready(ready, lines)


def test_an_installation_that_fails_is_told_with_its_log_and_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho these versions conflict\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    with pytest.raises(InputError, match=r"odd: pip .*install\.log"):
        prepare(_made(tmp_path / "odd"), ["torch==1"])
    assert "these versions conflict" in (tmp_path / "odd" / "install.log").read_text()
    assert not is_ready(tmp_path / "odd", ["torch==1"])


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("commit", "argument", "runs"),
    [
        (("c1", False), "a", 1),  # the same again: nothing to do
        (("c2", False), "a", 2),  # other code
        (("c1", True), "a", 2),  # code that nobody can name
        (("c1", False), "b", 2),  # other tests
    ],
)
def test_a_result_serves_again_for_the_same_code_and_tests(
    ready: Path, monkeypatch: pytest.MonkeyPatch, commit: tuple[str, bool], argument: str, runs: int
) -> None:
    done: list[Any] = []
    state = [("c1", False)]
    monkeypatch.setattr(tests_run, "commit_of_code", lambda: state[0])
    monkeypatch.setattr(tests_run, "installed", lambda folder: {"torch": "2"})
    real = tests_run.run_tests
    monkeypatch.setattr(matrix, "run_tests", lambda *given: done.append(given) or real(*given))
    test = ready.parent / "test_one.py"
    test.write_text("def test_one():\n    pass\n")
    columns = {"newest": COLUMNS["newest"]}
    first = run_matrix(columns, ready.parent, [str(test), "-k", "one or a"])
    assert first["newest"]["passed_all"], first
    assert first["newest"]["passed"] == 1
    state[0] = commit
    run_matrix(columns, ready.parent, [str(test), "-k", f"one or {argument}"])
    assert len(done) == runs
    assert json.loads((ready.parent / "matrix.json").read_text())["columns"]["newest"]["passed"] == 1
    assert "| newest |" in (ready.parent / "matrix.md").read_text()


def test_a_failed_test_is_a_failed_column_and_runs_again(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests_run, "commit_of_code", lambda: ("c1", False))
    monkeypatch.setattr(tests_run, "installed", lambda folder: {})
    test = ready.parent / "test_one.py"
    test.write_text("def test_one():\n    assert False\n")
    columns = {"newest": COLUMNS["newest"]}
    result = run_matrix(columns, ready.parent, [str(test)])["newest"]
    assert (result["passed_all"], result["failed"]) == (False, 1)
    assert result["failures"][0].endswith("test_one::test_one")
    test.write_text("def test_one():\n    pass\n")
    assert run_matrix(columns, ready.parent, [str(test)])["newest"]["passed_all"]
