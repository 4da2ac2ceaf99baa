"""Which versions each column of the matrix pins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bundle.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "requirements-export.txt")
# Not needed to run the tests, and each costs time to install.
TOOLS = ("ruff", "mypy", "pre-commit", "types-pyyaml", "types-tqdm")
COLUMNS: dict[str, dict[str, str]] = {
    "oldest": {"torch": "2.13.0", "monai": "1.6.1", "mlflow": "3.17.0", "pytorch-ignite": "0.5.0.post2"},
    "newest": {"torch": "2.13.0", "monai": "1.6.1", "mlflow": "3.17.2", "pytorch-ignite": "0.5.5"},
}


def chosen(names: Iterable[str] | None) -> dict[str, dict[str, str]]:
    """The columns of these names, in the table's order; all of them for None.

    Raises:
        InputError: a name that is no column.
    """
    wanted = list(COLUMNS if names is None else names)
    for name in wanted:
        if name not in COLUMNS:
            raise InputError(f"--only: found {name!r}, expected one of {', '.join(COLUMNS)}")
    return {name: pins for name, pins in COLUMNS.items() if name in wanted}


def requirements(pins: Mapping[str, str], texts: Iterable[str] | None = None) -> list[str]:
    """Lines for pip: those of the requirement files, with `pins` in place of their ranges and without the linters.

    Args:
        pins: distribution -> version.
        texts: contents of the requirement files; None reads those of the repository.

    Raises:
        InputError: a pinned distribution that no file requires.
    """
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in REQUIREMENTS] if texts is None else texts
    kept = []
    unused = dict(pins)
    for line in (raw.split("#")[0].strip() for text in texts for raw in text.splitlines()):
        name = re.split(r"[\[<>=!~; ]", line)[0].lower()
        if not name or name.startswith("-") or name in TOOLS:
            continue
        if name in pins:
            unused.pop(name, None)
            line = f"{name}=={pins[name]}"
        if line not in kept:
            kept.append(line)
    if unused:
        raise InputError(f"versions: no requirement file names {', '.join(unused)}; expected a line for each pin")
    return kept
