"""The tests of one column, and what came of them."""

from __future__ import annotations

import json
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from bundle.deploy.versions.columns import ROOT
from bundle.deploy.versions.environment import digest, installed, python_of
from bundle.reporting.atomic import write_json_atomic
from bundle.reporting.provenance import commit_of_code

RESULT, REPORT, LOG = "result.json", "junit.xml", "tests.log"
SHOWN = ("torch", "monai", "mlflow", "pytorch-ignite", "numpy", "pandas")


def earlier(folder: Path, lines: list[str], arguments: Sequence[str]) -> dict[str, Any] | None:
    """The column's result, if it has one of the same versions, the same arguments and the same code; else None.

    A result that failed, or one of code with uncommitted changes, is never used again.
    """
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    commit, changed = commit_of_code() or ("", True)
    same = {
        "digest": digest(lines),
        "arguments": list(arguments),
        "commit": commit,
        "changed": False,
        "passed_all": True,
    }
    return result if not changed and same.items() <= result.items() else None


def run_tests(folder: Path, lines: list[str], arguments: Sequence[str]) -> dict[str, Any]:
    """Run pytest with the column's Python; its output goes on to the screen and to tests.log. Returns the result."""
    (folder / REPORT).unlink(missing_ok=True)
    command = [str(python_of(folder)), "-m", "pytest", "-p", "no:cacheprovider", "--junitxml", str(folder / REPORT)]
    began = time.monotonic()
    with (folder / LOG).open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for line in process.stdout or ():
            log.write(line)
            print(f"  {line}", end="", flush=True)
        status = process.wait()
    commit, changed = commit_of_code() or ("", True)
    result = {
        **counts(folder / REPORT),
        "passed_all": status == 0,
        "seconds": round(time.monotonic() - began, 1),
        "date": date.today().isoformat(),
        "versions": {name: version for name, version in installed(folder).items() if name in SHOWN},
        "digest": digest(lines),
        "arguments": list(arguments),
        "commit": commit,
        "changed": changed,
    }
    write_json_atomic(folder / RESULT, result)
    return result


def counts(report: Path) -> dict[str, Any]:
    """Numbers of tests passed, failed (errors too) and skipped in pytest's XML report, and the names of the failed.

    All zero where pytest wrote none, since it did not come so far.
    """
    if not report.is_file():
        return {"passed": 0, "failed": 0, "skipped": 0, "failures": []}
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = sorted({f"{case.get('classname')}::{case.get('name')}" for case in failed})
    return {
        "passed": len(cases) - len(failed) - skipped, "failed": len(failed), "skipped": skipped, "failures": names,
    }  # fmt: skip
