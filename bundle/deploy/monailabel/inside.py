"""Keeps a study's files inside the studies folder, wherever names and links may point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def opened_with(image: Path) -> Iterator[Path]:
    """Every path that reading an image may open: itself, what its folder holds, sidecars, Heidelberg's TIFFs."""
    yield image
    if image.is_dir():
        yield from image.rglob("*")
        yield image.parent / "oct.json"
    else:
        yield image.with_name(Path(image.name.removesuffix(".gz")).stem + ".json")
    if image.suffix.lower() == ".xml":
        yield from image.parent.iterdir()


def is_inside(image: Path, root: Path) -> bool:
    """Whether all that reading the image may open lies in `root` once links are followed.

    root: resolved. A link that leads in a circle lies nowhere.
    """
    try:
        return all(path.resolve().is_relative_to(root) for path in opened_with(image))
    except (OSError, RuntimeError):  # RuntimeError: a circle of links, up to Python 3.12
        return False
