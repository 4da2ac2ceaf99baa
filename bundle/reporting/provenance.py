"""Which code produced a figure, and on how many cores."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git_tags() -> dict[str, str]:
    """`git_commit` and `git_changed` ("true" or "false") of the code that runs; empty outside of a git checkout."""
    state = commit_of_code()
    return {} if state is None else {"git_commit": state[0], "git_changed": str(state[1]).lower()}


def commit_of_code() -> tuple[str, bool] | None:
    """The commit (40 digits) of the code that runs and whether its files in bundle/ or configs/ differ from it.

    None outside of a git checkout.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "bundle", "configs"))
    except (OSError, subprocess.SubprocessError):
        return None


def cores_in_words() -> str:
    """`1 core`, `2 cores`."""
    return "1 core" if cores() == 1 else f"{cores()} cores"
