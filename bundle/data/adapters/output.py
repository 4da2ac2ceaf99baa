"""Writes the files of a prepared data set, each in one step: links with sidecars, pictures, tables."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bundle.errors import InputError


class Output:
    """The folder a data set is prepared in. Every method returns the path as the manifest writes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def oct_folder(self, name: str, target: Path, sidecar: Mapping[str, object]) -> str:
        """A link to a folder of B-scans, with its sidecar beside it: the published folder is not written to."""
        write_json(self.folder / "oct" / name / "oct.json", sidecar)
        return self._link(Path("oct", name, "bscans"), target)

    def oct_file(self, name: str, target: Path, sidecar: Mapping[str, object]) -> str:
        """A link to a volume, with its sidecar beside it."""
        write_json(self.folder / "oct" / f"{name}.json", sidecar)
        return self._link(Path("oct", name + target.suffix.lower()), target)

    def fundus_file(self, name: str, target: Path) -> str:
        """A link to a photograph."""
        return self._link(Path("fundus", name + target.suffix.lower()), target)

    def fundus_pixels(self, name: str, pixels_HW: np.ndarray) -> str:
        """A PNG of (H, W) uint8 pixels; one that is there already is left."""
        place = Path("fundus", f"{name}.png")
        if not (self.folder / place).is_file():
            buffer = io.BytesIO()
            Image.fromarray(pixels_HW).save(buffer, format="PNG")
            write_bytes(self.folder / place, buffer.getvalue())
        return place.as_posix()

    def _link(self, place: Path, target: Path) -> str:
        link = self.folder / place
        link.parent.mkdir(parents=True, exist_ok=True)
        if not (link.is_symlink() and link.resolve() == target.resolve()):
            temporary = link.with_name(f".{link.name}.{os.getpid()}")
            try:
                temporary.unlink(missing_ok=True)
                temporary.symlink_to(target.resolve(), target_is_directory=target.is_dir())
                os.replace(temporary, link)
            except OSError as error:
                raise InputError(
                    f"{self.folder}: a link to the data set cannot be made ({error.strerror}): choose a folder "
                    "(--manifest#out_dir) on a file system with symbolic links, and on Windows allow them to your user"
                ) from error
        return place.as_posix()


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a small JSON file."""
    write_bytes(path, (json.dumps(dict(content)) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, also when several processes prepare the same folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
