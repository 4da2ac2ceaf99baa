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
from bundle.data.readers.cirrus_img import is_cirrus_img, read_cirrus_img
from bundle.data.readers.dicom.dataset import is_dicom
from bundle.data.readers.dicom.op import read_op
from bundle.data.readers.dicom.opt import read_opt
from bundle.data.readers.dicom.opv import is_perimetry, read_opv
from bundle.data.readers.dicom.series import is_dicom_folder, read_series
from bundle.data.readers.heidelberg_vol import is_heidelberg_vol, read_heidelberg_vol
from bundle.data.readers.heidelberg_xml import is_heidelberg_xml, read_heidelberg_xml
from bundle.data.readers.image import is_raster, read_raster
from bundle.data.readers.nifti import is_nifti, read_nifti
from bundle.data.readers.npz import is_npz, read_npz
from bundle.data.readers.records import FundusImage, OctVolume
from bundle.data.readers.refused import refusal
from bundle.data.readers.vendor_optional import is_vendor, read_vendor
from bundle.data.visual_field import VisualField
from bundle.errors import InputError

__all__ = [
    "FIELD_FORMATS",
    "FUNDUS_FORMATS",
    "OCT_FORMATS",
    "FundusImage",
    "OctVolume",
    "VisualField",
    "read_fundus",
    "read_oct",
    "read_visual_field",
]

Sniff = Callable[[bytes, Path], bool]
Record = TypeVar("Record", OctVolume, FundusImage, VisualField)
HEAD_BYTES = 512

# name shown to the user, test of the content, reader
OCT_FORMATS: list[tuple[str, Sniff, Callable[..., OctVolume]]] = [
    ("folder of DICOM files", is_dicom_folder, read_series),
    ("Heidelberg .xml", is_heidelberg_xml, read_heidelberg_xml),  # a folder of it also is one of B-scans
    ("folder of B-scans", is_folder, read_bscan_folder),
    ("NIfTI", is_nifti, read_nifti),
    ("NPZ", is_npz, read_npz),
    ("DICOM", is_dicom, read_opt),
    ("Heidelberg .vol", is_heidelberg_vol, read_heidelberg_vol),
    ("Topcon .fda, .fds, Heidelberg .E2E", is_vendor, read_vendor),
    ("Cirrus .img", is_cirrus_img, read_cirrus_img),  # last, as it has no content of its own to be known by
]
FUNDUS_FORMATS: list[tuple[str, Sniff, Callable[..., FundusImage]]] = [
    ("PNG, JPEG, TIFF or BMP", is_raster, read_raster),
    ("DICOM photograph", is_dicom, read_op),
]
FIELD_FORMATS: list[tuple[str, Sniff, Callable[..., VisualField]]] = [
    ("DICOM visual field (OPV)", is_perimetry, read_opv),
]


def read_oct(path: str | Path, *, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read an OCT volume from a NIfTI, NPZ, DICOM or vendor's file or a folder of B-scans.

    spacing_mm: (B-scan, depth, A-scan); replaces whatever the file or its sidecar says. None trusts them.
    Raises InputError, and nothing else, for a file that is absent, damaged, of another format, or not a usable volume;
    the message holds the path and no content of a header.
    """
    options = {} if spacing_mm is None else {"spacing_mm": spacing_mm}
    return _read(Path(path), OCT_FORMATS, options)


def read_fundus(path: str | Path) -> FundusImage:
    """Read a fundus photograph from a PNG, JPEG, TIFF, BMP or DICOM file.

    Raises InputError, and nothing else, as `read_oct` does.
    """
    return _read(Path(path), FUNDUS_FORMATS, {})


def read_visual_field(path: str | Path) -> VisualField:
    """Read a static visual field from a DICOM OPV file.

    Raises InputError, and nothing else, as `read_oct` does; a printed report (PDF) is refused with the reason.
    """
    return _read(Path(path), FIELD_FORMATS, {})


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
    if known == [name for name, _, _ in FIELD_FORMATS]:
        return f"found no DICOM, expected {expected}: export the field as DICOM, or write md_db in the manifest"
    if path.is_dir():
        return f"found a folder, expected {expected}: name the image file"
    if is_raster(head, path):
        return f"found one flat image, expected a volume ({expected}): name the folder that holds all B-scans"
    if is_nifti(head, path) or is_npz(head, path):
        return f"found a volume or archive, expected {expected}: name the photograph"
    return refusal(head, path) or f"found unknown content, expected {expected}: convert it"
