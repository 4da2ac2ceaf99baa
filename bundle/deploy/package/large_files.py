"""Weights too large for the Zoo's repository: listed with where they can be fetched, and set aside for uploading."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from bundle.deploy.checksums import sha256
from bundle.deploy.zoo_rules import LARGE_FILES, MOST_BYTES
from bundle.errors import InputError
from bundle.reporting.atomic import write_text_atomic


def large_weights(folder: Path, url: str | None, most_bytes: int = MOST_BYTES) -> list[str]:
    """Relative paths of the weights above the limit, sorted.

    Args:
        folder: of the bundle.
        url: where they will be found.
        most_bytes: limit of one file.

    Raises:
        InputError: there are such files and no `url`.
    """
    large = sorted(path for path in (folder / "models").iterdir() if path.stat().st_size > most_bytes)
    if large and not url:
        found = ", ".join(f"models/{path.name} ({path.stat().st_size / 1e6:.0f} MB)" for path in large)
        raise InputError(f"weights: found {found}, above {most_bytes / 1e6:.0f} MB; give --weights-url, where they lie")
    return [path.relative_to(folder).as_posix() for path in large]


def set_aside(folder: Path, large: list[str], aside: Path, url: str) -> list[Path]:
    """Move these weights out of the bundle's folder and list them in its large_files.yml; returns where they are now.

    Args:
        folder: of the bundle.
        large: relative paths.
        aside: where they go, with the same relative paths, for uploading.
        url: each one's address is this and its file name.
    """
    entries = []
    for name in large:
        path = folder / name
        address = f"{url.rstrip('/')}/{path.name}"
        entries.append({"path": name, "url": address, "hash_val": sha256(path), "hash_type": "sha256"})
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, aside / name)
    if entries:
        write_text_atomic(folder / LARGE_FILES, yaml.safe_dump({"large_files": entries}, sort_keys=False))
    return [aside / name for name in large]
