"""Running the package's code in processes that know nothing of this repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bundle.deploy.verify.outcome import Failed


def clean_environment() -> dict[str, str]:
    """The environment without what could lead Python to other code, and without leftovers in the package's folder."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MLFLOW_TRACKING_URI")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"}


def run(command: Sequence[str], cwd: Path, timeout_s: float = 1800) -> str:
    """Run a command and return what it printed.

    Raises:
        Failed: it ended with an error, or took longer than `timeout_s` seconds; the message has its last lines.
    """
    try:
        done = subprocess.run(
            list(command), cwd=cwd, env=clean_environment(), capture_output=True, text=True, errors="replace",
            check=False, timeout=timeout_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failed(f"took longer than {timeout_s:.0f} s", "run the command by hand and see where it waits") from error
    printed = done.stdout + done.stderr
    if done.returncode:
        raise Failed(f"ended with status {done.returncode}: {tail(printed)}", "run it in the package's folder by hand")
    return printed


def tail(text: str, lines: int = 3) -> str:
    """The last lines that are not empty, as one."""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])[-2000:]
