"""Readers: one file a format, chosen by content and never by suffix.

To add a format, write a module with `is_x(head, path) -> bool` and `read_x(path, ...)`, and add it to a list below.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bundle.data.readers.bscan_folder import is_folder, read_bscan_folder
from bundle.data.readers.image import is_raster, read_raster
from bundle.data.readers.nifti import is_nifti, read_nifti
from bundle.data.readers.npz import is_npz, read_npz
from bundle.data.readers.records import FundusImage, OctVolume
from bundle.data.readers.refused import refusal
from bundle.errors import InputError

__all__ = ["FUNDUS_FORMATS", "OCT_FORMATS", "FundusImage", "OctVolume", "read_fundus", "read_oct"]

Sniff = Callable[[bytes, Path], bool]
Record = TypeVar("Record", OctVolume, FundusImage)
HEAD_BYTES = 512

# name shown to the user, test of the content, reader
OCT_FORMATS: list[tuple[str, Sniff, Callable[..., OctVolume]]] = [
    ("folder of B-scans", is_folder, read_bscan_folder),
    ("NIfTI", is_nifti, read_nifti),
    ("NPZ", is_npz, read_npz),
]
FUNDUS_FORMATS: list[tuple[str, Sniff, Callable[..., FundusImage]]] = [
    ("PNG, JPEG, TIFF or BMP", is_raster, read_raster),
]


def read_oct(path: str | Path, *, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read an OCT volume from a NIfTI or NPZ file or a folder of B-scans.

    spacing_mm: (B-scan, depth, A-scan); replaces whatever the file or its sidecar says. None trusts them.
    Raises InputError, and nothing else, for a file that is absent, damaged, of another format, or not a usable volume;
    the message holds the path and no content of a header.
    """
    options = {} if spacing_mm is None else {"spacing_mm": spacing_mm}
    return _read(Path(path), OCT_FORMATS, options)


def read_fundus(path: str | Path) -> FundusImage:
    """Read a fundus photograph from a PNG, JPEG, TIFF or BMP file.

    Raises InputError, and nothing else, as `read_oct` does.
    """
    return _read(Path(path), FUNDUS_FORMATS, {})


def _read(path: Path, formats: list[tuple[str, Sniff, Callable[..., Record]]], options: Mapping[str, object]) -> Record:
    name = "an image"
    try:
        head = _head(path)
        for name, sniff, read in formats:  # noqa: B007  (named in the message below)
            if sniff(head, path):
                return read(path, **options)
        name = "any known format"
        raise InputError(_unknown(head, path, [name for name, _, _ in formats]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        # A damaged file makes a parser raise anything; its text may quote a patient's header, so only its kind is told.
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path}: cannot be read ({error.strerror}): check the path and permissions") from error
        kind = type(error).__name__
        raise InputError(f"{path}: cannot be read as {name} ({kind}): damaged or cut short, copy it again") from error


def _head(path: Path) -> bytes:
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        return b""
    if not stat.S_ISREG(mode):
        raise InputError("found a device, pipe or socket, expected a file or folder")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise InputError("found 0 bytes, expected an image: copy it again")
    return head


def _unknown(head: bytes, path: Path, known: list[str]) -> str:
    expected = " or ".join(known)
    if path.is_dir():
        return f"found a folder, expected {expected}: name the image file"
    if is_raster(head, path):
        return f"found one flat image, expected a volume ({expected}): name the folder that holds all B-scans"
    if is_nifti(head, path) or is_npz(head, path):
        return f"found a volume or archive, expected {expected}: name the photograph"
    return refusal(head, path) or f"found unknown content, expected {expected}: convert it"
