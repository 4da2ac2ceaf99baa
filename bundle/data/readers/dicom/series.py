"""A folder of DICOM files: a series of B-scans, one a file, or one multi-frame file among an examination's others."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pydicom

from bundle.data.readers.dicom import sop_classes
from bundle.data.readers.dicom.dataset import device_of, is_dicom, laterality_of, no_header_text, open_dicom
from bundle.data.readers.dicom.frames import frames_of
from bundle.data.readers.dicom.opt import read_opt
from bundle.data.readers.dicom.pixels import decode_grey, n_frames
from bundle.data.readers.dicom.volume import build_volume
from bundle.data.readers.raster import raster_format
from bundle.data.readers.records import MAX_VOXELS, MIN_BSCANS, OctVolume
from bundle.data.readers.sidecar import folder_sidecar
from bundle.errors import InputError

_MAX_FILES = 5000
_HEAD_BYTES = 512
_MODALITIES = ("OPT", "OCT")
_IMAGES = (sop_classes.OPT, sop_classes.OP_8_BIT, sop_classes.OP_16_BIT, sop_classes.SECONDARY_CAPTURE)


def is_dicom_folder(head: bytes, path: Path) -> bool:
    """Whether the path is a folder of DICOM, by the content of its files; a few previews beside them do not count."""
    if not path.is_dir():
        return False
    heads = [_head(file) for file in _files(path, "*")]
    n_dicom = sum(is_dicom(head, path) for head in heads)
    return n_dicom > 0 and sum(raster_format(head) is not None for head in heads) <= max(MIN_BSCANS - 1, n_dicom)


@no_header_text()
def read_series(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read the B-scans of a folder; `spacing_mm` (B-scan, depth, A-scan) replaces what the headers and `oct.json` say.

    Files that hold no OCT are passed over. Raises InputError for several series or volumes, B-scans that differ in
    size, type or eye, numbers with a gap, and B-scans that form no raster.
    """
    sidecar = folder_sidecar(path)
    files = [file for file in _files(path, sidecar.files or "*") if is_dicom(_head(file), file)]
    headers = {file: header for file in files if _is_oct(header := open_dicom(file))}
    volumes = [file for file, header in headers.items() if n_frames(header) > 1]
    if len(volumes) > 1 or (volumes and len(headers) > 1):
        raise InputError(
            f"found {len(volumes)} OCT volumes and {len(headers) - len(volumes)} single B-scans, expected one volume: "
            "name its file"
        )
    if volumes:
        return read_opt(volumes[0], spacing_mm or sidecar.spacing_mm)
    _require_one_series(headers, len(files))
    ordered = dict(sorted(headers.items(), key=lambda item: int(item[1].get("InstanceNumber") or 0)))
    frames = [frames_of(header)[0] for header in ordered.values()]
    if not any(frame.position or frame.line for frame in frames):
        _require_numbers([frame.number for frame in frames])
    eyes = {laterality_of(header) for header in ordered.values()}
    if len(eyes) > 1:
        raise InputError(
            "found B-scans of different eyes in one folder, expected one eye: put each into its own folder"
        )
    return build_volume(
        frames,
        lambda: _pixels(list(ordered)),
        sidecar=sidecar,
        spacing_mm=spacing_mm,
        laterality=eyes.pop(),
        device=device_of(next(iter(ordered.values()))),
    )


def _files(folder: Path, pattern: str) -> list[Path]:
    """The regular files of a folder without hidden ones and without a DICOMDIR, which only lists others."""
    found = sorted(islice((f for f in folder.glob(pattern) if f.is_file()), _MAX_FILES + 1))
    if len(found) > _MAX_FILES:
        raise InputError(f"found more than {_MAX_FILES} files, expected one scan's folder: name that folder")
    return [file for file in found if not file.name.startswith(".") and file.name.upper() != "DICOMDIR"]


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_HEAD_BYTES)


def _is_oct(header: pydicom.Dataset) -> bool:
    return header.SOPClassUID in _IMAGES and header.get("Modality") in _MODALITIES


def _require_one_series(headers: dict[Path, pydicom.Dataset], n_files: int) -> None:
    if not headers:
        raise InputError(f"found {n_files} DICOM files and no OCT among them: export the scan as Ophthalmic Tomography")
    series = [str(header.get("SeriesInstanceUID")) for header in headers.values()]
    counts = sorted((series.count(uid) for uid in set(series)), reverse=True)
    if len(counts) > 1:
        sizes = ", ".join(map(str, counts))
        raise InputError(
            f"found {len(counts)} series of {sizes} B-scans, expected one: put each into a folder of its own"
        )
    kinds = {(h.Rows, h.Columns, h.get("BitsAllocated"), h.get("PhotometricInterpretation")) for h in headers.values()}
    if len(kinds) > 1:
        raise InputError(
            f"found B-scans of {len(kinds)} sizes or types in one series, expected all alike: export again"
        )
    rows, columns, *_ = kinds.pop()
    if len(headers) * int(rows) * int(columns) > MAX_VOXELS:
        raise InputError(f"found {len(headers)} B-scans of {rows} x {columns}, expected at most {MAX_VOXELS} voxels")


def _require_numbers(numbers: list[int | None]) -> None:
    """Without positions, nothing but InstanceNumber orders the files: it must count in equal steps."""
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        raise InputError("found B-scans without position and number (InstanceNumber): export the scan again")
    steps = {after - before for before, after in pairwise(known)}
    if len(steps) > 1 or 0 in steps:
        raise InputError(
            f"found {len(known)} B-scans from {known[0]} to {known[-1]} by InstanceNumber, with gaps or doubles: "
            "add the missing files or remove the copies"
        )


def _pixels(files: list[Path]) -> np.ndarray:
    """(F, R, C), one file after the other."""
    first = decode_grey(open_dicom(files[0], pixels=True))
    voxels = np.empty((len(files), *first.shape[1:]), dtype=first.dtype)
    for index, file in enumerate(files):
        voxels[index] = decode_grey(open_dicom(file, pixels=True))[0]
    return voxels
