"""Ophthalmic Tomography (DICOM PS3.3, A.52): an OCT volume in one multi-frame file."""

from __future__ import annotations

from pathlib import Path

from bundle.data.readers.dicom.dataset import device_of, laterality_of, no_header_text, open_dicom
from bundle.data.readers.dicom.frames import frames_of
from bundle.data.readers.dicom.pixels import decode_grey
from bundle.data.readers.dicom.sop_classes import OPT, wrong_class
from bundle.data.readers.dicom.volume import build_volume
from bundle.data.readers.records import OctVolume
from bundle.data.readers.sidecar import file_sidecar
from bundle.errors import InputError


@no_header_text()
def read_opt(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read an Ophthalmic Tomography file; `spacing_mm` (B-scan, depth, A-scan) replaces what file and sidecar say.

    Raises InputError for DICOM of another kind, a part of a concatenation, and B-scans that form no raster.
    """
    header = open_dicom(path)
    if header.SOPClassUID != OPT:
        raise InputError(wrong_class(header.SOPClassUID, "an OCT volume"))
    if header.get("ConcatenationUID") and header.get("InConcatenationTotalNumber") != 1:
        raise InputError(
            "found a scan that is split over several DICOM files (a concatenation), expected one file: "
            "export it as one multi-frame file"
        )
    return build_volume(
        frames_of(header),
        lambda: decode_grey(open_dicom(path, pixels=True)),
        sidecar=file_sidecar(path),
        spacing_mm=spacing_mm,
        laterality=laterality_of(header),
        device=device_of(header),
    )
