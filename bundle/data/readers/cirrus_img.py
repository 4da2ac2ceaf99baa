"""Zeiss Cirrus .img: the raw cube that the research export writes, a byte a voxel without any header.

Order in the file: B-scans from superior to inferior, each by rows of depth from choroid to vitreous, each row from the
right of the photograph to its left. Only the number of bytes tells the cube, and only the file's name the eye.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bundle.data.laterality import eye_in_file_name
from bundle.data.readers.image import is_raster
from bundle.data.readers.records import OctVolume
from bundle.data.readers.refused import is_header_beside, refusal
from bundle.data.readers.sidecar import Sidecar, file_sidecar
from bundle.data.readers.vendor_sidecar import agreed_eye, vendor_sidecar
from bundle.errors import InputError

# bytes: shape (B-scan, depth, A-scan)
_CUBES = {200 * 1024 * 200: (200, 1024, 200), 128 * 1024 * 512: (128, 1024, 512)}
_FIELD_MM = (6.0, 2.0, 6.0)


def is_cirrus_img(head: bytes, path: Path) -> bool:
    """Whether a file could be a cube: named .img, of no other known content, without a header file (.hdr) beside it."""
    if path.suffix.lower() != ".img" or path.is_dir() or is_header_beside(path):
        return False
    return path.stat().st_size in _CUBES or not (is_raster(head, path) or refusal(head, path))


def read_cirrus_img(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read an optic disc or macular cube; `spacing_mm` (B-scan, depth, A-scan), then a sidecar's, replace 6 x 2 x 6 mm.

    The eye comes from the file's name (`..._OD_...`), a sidecar, or is None.
    Raises InputError for any other size and for a cube of the anterior segment, which has the same size.
    """
    n_bytes = path.stat().st_size
    shape = _CUBES.get(n_bytes)
    if shape is None:
        expected = " or ".join(f"{size:,} ({n} B-scans of {a} A-scans)" for size, (n, _, a) in _CUBES.items())
        raise InputError(
            f"found {n_bytes:,} bytes named .img, expected a Cirrus cube of {expected}, each 1024 deep: "
            "export the optic disc or macular cube, or convert to NIfTI or NPZ"
        )
    if "anterior" in path.name.lower():
        raise InputError("found a cube of the anterior segment by its name, expected the retina: name another scan")
    sidecar = vendor_sidecar(file_sidecar(path))
    voxels = np.fromfile(path, np.uint8).reshape(shape)
    bscan_mm, depth_mm, ascan_mm = (mm / n for mm, n in zip(_FIELD_MM, shape, strict=True))
    return OctVolume(
        voxels=Sidecar(reverse=("depth", "ascan")).orient(voxels),
        spacing_mm=spacing_mm or sidecar.spacing_mm or (bscan_mm, depth_mm, ascan_mm),
        laterality=agreed_eye({"the file's name": eye_in_file_name(path), "the sidecar": sidecar.laterality}),
        device="Zeiss Cirrus",
    )
