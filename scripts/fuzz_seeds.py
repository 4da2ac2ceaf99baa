"""Small valid files of every format that the readers take, for `scripts.fuzz_readers` to damage."""

from __future__ import annotations

import gzip
import io
import zipfile
from functools import cache

import nibabel
import numpy as np
from PIL import Image

from scripts.fuzz_seed import PATIENT, SPACING_MM, Seed
from scripts.fuzz_seeds_dicom import dicom_seeds
from scripts.fuzz_seeds_vendor import vendor_seeds


@cache
def seeds() -> dict[str, Seed]:
    """Every seed by the name of its format."""
    voxels = np.random.default_rng(0).integers(0, 256, (6, 40, 32), dtype=np.uint8)
    photo = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    nifti = nibabel.Nifti1Image(voxels, np.diag([*SPACING_MM, 1.0]))
    nifti.header["descrip"] = PATIENT.encode()
    npy = io.BytesIO()
    np.save(npy, voxels)
    bmps = {f"{i}.BMP": _image(one, "BMP") for i, one in enumerate(voxels)}
    found = {
        "NIfTI": Seed("oct", {"scan": nifti.to_bytes()}),
        "NIfTI, gzip": Seed("oct", {"scan": gzip.compress(nifti.to_bytes(), mtime=0)}),
        "NIfTI inside gzip": Seed("oct", {"scan": nifti.to_bytes()}, pack=lambda raw: gzip.compress(raw, 1, mtime=0)),
        "NPZ": Seed("oct", {"scan": _npz(npy.getvalue())}),
        "array inside NPZ": Seed("oct", {"scan": npy.getvalue()}, pack=_npz),
        "folder of B-scans": Seed("oct", bmps | {"oct.json": b'{"spacing_mm": [0.05, 0.002, 0.012]}'}, ""),
    }
    photos = {kind: Seed("fundus", {"scan": _image(photo, kind)}) for kind in ("PNG", "JPEG", "TIFF", "BMP")}
    return found | photos | dicom_seeds(voxels, photo) | vendor_seeds(voxels)


def _image(pixels: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _npz(npy: bytes) -> bytes:
    spacing, file = io.BytesIO(), io.BytesIO()
    np.save(spacing, np.array(SPACING_MM))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("voxels", npy), ("spacing_mm", spacing.getvalue())):
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content)  # of 1980, so that the bytes are always the same
    return file.getvalue()
