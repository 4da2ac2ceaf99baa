"""NIfTI-1 and NIfTI-2 volumes, `.nii` and `.nii.gz`.

The array's axes are taken as (B-scan, depth, A-scan) in the file's order, unless a sidecar names another order.
Spacing is the header's pixdim in its unit; a header without a unit counts as millimetres. The affine's directions are
not used: converters fill them with a scanner's conventions, which say nothing about an eye. State a reversed axis in
the sidecar. NIfTI has no laterality; the sidecar may give it.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np

from bundle.data.readers.records import MAX_BYTES, MAX_VOXELS, OctVolume
from bundle.data.readers.sidecar import file_sidecar
from bundle.errors import InputError

_HEADER_BYTES = 544  # a NIfTI-2 header with its extension flag; NIfTI-1 is shorter
_MM = {"mm": 1.0, "unknown": 1.0, "micron": 1e-3, "meter": 1e3}


def is_nifti(head: bytes, path: Path) -> bool:
    """Whether the content is NIfTI, plain or gzipped."""
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as file:
                head = file.read(_HEADER_BYTES)
        except (OSError, EOFError, zlib.error):
            return path.name.lower().endswith(".nii.gz")  # damaged: let the reader say so
    if len(head) < 4:
        return False
    sizes = struct.unpack("<i", head[:4]) + struct.unpack(">i", head[:4])
    return (348 in sizes and head[344:347] in (b"n+1", b"ni1")) or (540 in sizes and head[4:7] in (b"n+2", b"ni2"))


def read_nifti(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read a NIfTI file; `spacing_mm` (B-scan, depth, A-scan) replaces what header and sidecar say.

    uint8 and uint16 without scaling stay; every other real type becomes float32.
    A length that the header promises and the file lacks, and a wrong gzip checksum, are refused.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        image, header = _parse(gzip.GzipFile(fileobj=raw) if packed else raw)
    voxels = _native(image)
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    sidecar = file_sidecar(path)
    unit = _MM[header.get_xyzt_units()[0]]
    in_file = [float(mm) * unit for mm in header.get_zooms()[:3]]
    if voxels.ndim == 3:
        in_file = [in_file[sidecar.axes.index(axis)] for axis in ("bscan", "depth", "ascan")]
    spacing = spacing_mm or sidecar.spacing_mm or tuple(round(mm, 9) for mm in in_file)  # pixdim is float32
    return OctVolume(voxels=sidecar.orient(voxels), spacing_mm=spacing, laterality=sidecar.laterality)  # type: ignore[arg-type]


def _parse(file: io.BufferedIOBase) -> tuple[nibabel.Nifti1Image, nibabel.Nifti1Header]:
    """Image and header as written; nothing is allocated before the promised size was compared with what is there."""
    head = file.read(_HEADER_BYTES)
    is_two = 540 in struct.unpack("<i", head[:4]) + struct.unpack(">i", head[:4])
    kind = nibabel.Nifti2Image if is_two else nibabel.Nifti1Image
    if head[344:347] == b"ni1" or (is_two and head[4:7] == b"ni2"):
        raise InputError("found a header without voxels (.hdr of a pair), expected a single file: convert to .nii.gz")
    header = kind.header_class(head[: 540 if is_two else 348], check=False)  # without the extensions
    shape = [int(n) for n in header["dim"][1 : 1 + max(0, min(int(header["dim"][0]), 7))]]
    if not shape or min(shape) < 1 or math.prod(shape) > MAX_VOXELS:
        raise InputError(f"found the header's shape {tuple(shape)}, expected 1 to {MAX_VOXELS} voxels: export it again")
    offset = float(header["vox_offset"])
    if not 0 <= offset <= 2**24:
        raise InputError(f"found voxels that start at byte {offset:g}, expected them after the header: export it again")
    promised = int(offset) + math.prod(shape) * header.get_data_dtype().itemsize
    if promised > MAX_BYTES:
        raise InputError(f"found a header that promises {promised} bytes, expected at most {MAX_BYTES}")
    content = head + file.read(promised - len(head)) if promised > len(head) else head
    if len(content) < promised:
        raise InputError(f"found {len(content)} bytes, the header promises {promised}: cut short, copy it again")
    if file.read(2**20) and file.read(1):  # read to the end of the stream, where the gzip checksum is compared
        raise InputError(f"found more than the {promised} bytes that the header promises: export it again")
    return kind.from_bytes(content), header  # the image's own header had its faults mended in silence


def _native(image: nibabel.Nifti1Image) -> np.ndarray:
    dtype = image.get_data_dtype()
    if dtype.kind not in "uif":
        raise InputError(f"found voxels of type {dtype}, expected one real number a voxel: convert to grey values")
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    if dtype.newbyteorder("=") in (np.uint8, np.uint16) and slope == 1 and intercept == 0:
        return np.asarray(image.dataobj.get_unscaled(), dtype=dtype.newbyteorder("="))
    with np.errstate(over="ignore"):  # an overflow becomes inf, which OctVolume refuses
        return image.get_fdata(dtype=np.float32, caching="unchanged")
