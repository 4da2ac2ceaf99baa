"""Where a virtual environment has its Python."""

from __future__ import annotations

import os
from pathlib import Path


def interpreter_of(environment: Path) -> Path:
    """The interpreter's path, whether the environment is made yet or not."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
