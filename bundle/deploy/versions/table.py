"""The matrix as a table for the documentation."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from bundle.deploy.versions.tests_run import SHOWN
from bundle.reporting.provenance import cores_in_words

HEAD = ("column", "Python", *SHOWN, "passed", "failed", "skipped", "seconds", "date")


def hardware() -> str:
    """Cores, architecture and system."""
    return f"{cores_in_words()}, CPU ({platform.machine()}, {platform.system()})"


def markdown(results: Mapping[str, Mapping[str, Any]], where: str) -> str:
    """A table of the versions that were installed and of what the tests said, and the failed tests by name below it.

    Args:
        results: column -> what `run_tests` returned.
        where: the hardware, for the caption.
    """
    rows = [_row(name, result) for name, result in results.items()]
    lines = [_line(HEAD), _line(["---"] * len(HEAD)), *map(_line, rows), "", f"Hardware: {where}."]
    for name, result in results.items():
        if result["failures"]:
            lines += ["", f"Failed with {name}:", "", *(f"- `{test}`" for test in result["failures"])]
    return "\n".join(lines) + "\n"


def _row(name: str, result: Mapping[str, Any]) -> list[str]:
    versions = [str(result["versions"].get(one, "-")) for one in SHOWN]
    numbers = [str(result[key]) for key in ("passed", "failed", "skipped")]
    return [name, platform.python_version(), *versions, *numbers, f"{result['seconds']:.0f}", result["date"]]


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
