"""A fresh environment with exactly the versions that a package names."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import venv
from pathlib import Path

from bundle.deploy.interpreter import interpreter_of
from bundle.deploy.verify import process
from bundle.deploy.verify.metadata import EXACT, pins, read_metadata
from bundle.deploy.verify.outcome import Failed
from bundle.errors import InputError

MARKER = "verified_pins.txt"


def pin_lines(folder: Path) -> str:
    """Lines for pip, one exact version each, sorted.

    Raises:
        Failed: the metadata are unreadable, or a version is not exact.
    """
    found = pins(read_metadata(folder))
    if loose := [package for package, pin in found.items() if not EXACT.fullmatch(pin)]:
        raise Failed(f"no exact version of {', '.join(loose)}", "see the check of the pins")
    return "".join(f"{package}=={pin}\n" for package, pin in sorted(found.items()))


def default_folder(folder: Path) -> Path:
    """In the user's cache, one environment for each set of pins."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "re-m3dr" / f"verify-{hashlib.sha256(pin_lines(folder).encode()).hexdigest()[:12]}"


class Environment:
    """A virtual environment for the package, made when first asked for and reused while the pins are the same.

    Args:
        folder: of the package.
        where: of the environment; None is a folder in the user's cache.
        python: an interpreter that exists and is to be used instead, a path or a command; nothing is installed.

    Raises:
        InputError: there is no such interpreter.
    """

    def __init__(self, folder: Path, where: Path | None = None, python: str | None = None) -> None:
        self.folder, self.where = folder, where
        self.given = python and _found(python)

    def python(self) -> str:
        """The interpreter's path, in an environment that has the pins.

        Raises:
            Failed: the folder holds something else, or pip could not install.
        """
        if self.given:
            return self.given
        lines = pin_lines(self.folder)
        where = (self.where or default_folder(self.folder)).absolute()
        python = interpreter_of(where)
        marker = where / MARKER
        if python.exists() and marker.is_file() and marker.read_text(encoding="utf-8") == lines:
            return str(python)
        if where.exists() and any(where.iterdir()) and not (where / "pyvenv.cfg").is_file():
            raise Failed(f"{where} holds something else than an environment", "give another --env")
        print(f"installing {len(lines.splitlines())} packages in {where}, some minutes", file=sys.stderr, flush=True)
        marker.unlink(missing_ok=True)
        venv.create(where, with_pip=True)
        wanted = where / "pins.txt"
        wanted.write_text(lines, encoding="utf-8")
        install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q", "-r", str(wanted)]
        process.run(install, cwd=where, timeout_s=3600)
        process.run([str(python), "-m", "pip", "check"], cwd=where)
        wanted.replace(marker)
        return str(python)


def _found(python: str) -> str:
    """The whole path, as the checks run elsewhere; a link is not followed, since that would leave its environment."""
    path = shutil.which(python)
    if path is None:
        raise InputError(
            f"--python: found no program {python}; give the path of an interpreter, such as .venv/bin/python"
        )
    return os.path.abspath(path)
