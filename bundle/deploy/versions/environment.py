"""A virtual environment for a column, made once and used again while what it needs stays the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bundle.deploy.interpreter import interpreter_of
from bundle.errors import InputError
from bundle.reporting.atomic import write_json_atomic, write_text_atomic

MARK = "installed.json"  # written last, so that an installation cut short is begun anew
_LIST = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
)


def digest(lines: list[str]) -> str:
    """Of the lines that pip gets and the Python that runs it."""
    return hashlib.sha256("\n".join([sys.version, *lines]).encode()).hexdigest()


def python_of(folder: Path) -> Path:
    """The interpreter of the environment in a column's folder."""
    return interpreter_of(folder / "venv")


def is_ready(folder: Path, lines: list[str]) -> bool:
    """Whether the environment is complete and holds what `lines` ask for."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(mark, dict) and mark.get("digest") == digest(lines) and python_of(folder).exists()


def prepare(folder: Path, lines: list[str], fresh: bool = False) -> float:
    """Make the environment unless it is ready; returns the seconds that took, 0 for one that was.

    Raises:
        InputError: pip could not install these versions together; its output is in install.log beside it.
    """
    if not fresh and is_ready(folder, lines):
        return 0.0
    began = time.monotonic()
    (folder / MARK).unlink(missing_ok=True)
    shutil.rmtree(folder / "venv", ignore_errors=True)
    listed = write_text_atomic(folder / "requirements.txt", "\n".join(lines) + "\n")
    log = folder / "install.log"
    python = str(python_of(folder))
    with log.open("w", encoding="utf-8") as out:
        for command in (
            [sys.executable, "-m", "venv", str(folder / "venv")],
            [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "-r", str(listed)],
        ):
            if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode:
                raise InputError(
                    f"{folder.name}: pip could not install these versions together; its words are in {log}"
                )
    write_json_atomic(folder / MARK, {"digest": digest(lines)})
    return time.monotonic() - began


def installed(folder: Path) -> dict[str, str]:
    """Distribution -> version, as found in the environment."""
    done = subprocess.run([str(python_of(folder)), "-c", _LIST], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
