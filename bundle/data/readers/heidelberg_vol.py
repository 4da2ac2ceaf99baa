"""Heidelberg .vol: the raw export of HEYEX (`HSF-OCT-...`), and the same layout as eyepy writes it (`ep-v...`).

Little-endian. File header of 2048 bytes: version (12 bytes); A-scans, B-scans, depth pixels (uint32 from byte 12); mm a
pixel along A-scans, between B-scans, in depth (float64 from 24); width and height of the infrared image (uint32 from
48); eye (4 characters at 84); scan pattern (int32 at 96). Then that image, a byte a pixel; then each B-scan: a header
whose own length stands at its byte 12 and its start x, y and end x, y in mm from 16, and the float32 pixels row by row.

The patient's number, birth date and visit, from byte 104 on, are never parsed.
"""

from __future__ import annotations

import struct
from io import BufferedReader
from pathlib import Path

import numpy as np

from bundle.data.examination import EYES
from bundle.data.readers.heidelberg_raster import PATTERNS, raster_of_lines, refuse_pattern
from bundle.data.readers.records import MAX_VOXELS, OctVolume
from bundle.data.readers.sidecar import Sidecar, file_sidecar
from bundle.data.readers.vendor_sidecar import agreed_eye, vendor_sidecar
from bundle.errors import InputError

_MAGIC = (b"HSF-OCT", b"ep-v")
_DEVICE = "Heidelberg Engineering"  # eyepy's own files may come from any device
_HEADER_BYTES, _BSCAN_HEADER_BYTES = 2048, 256
_INVALID = 3.0e38  # pixels outside the scan hold the greatest float32


def is_heidelberg_vol(head: bytes, path: Path) -> bool:
    """Whether the content is a Heidelberg .vol."""
    return head.startswith(_MAGIC)


def read_heidelberg_vol(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read a volume scan; `spacing_mm` (B-scan, depth, A-scan), then a sidecar's, replace what the header says.

    Pixels are reflectivities; the voxels are their fourth roots, float32, which is how HEYEX displays them.
    Pixels without a measurement become 0, the darkest.
    Raises InputError for circle, radial and line scans, for lengths that the file does not have, and when header and
    positions disagree about the distance between B-scans.
    """
    sidecar = vendor_sidecar(file_sidecar(path))
    with path.open("rb") as file:
        device = _DEVICE if file.read(7) == _MAGIC[0] else None
        file.seek(12)
        n_ascans, n_bscans, n_depth, ascan_mm, bscan_mm, depth_mm, slo_width, slo_height = struct.unpack(
            "<3I3d2I", file.read(44)
        )
        file.seek(84)
        eye = file.read(4).rstrip(b"\0 ").decode("ascii", "replace")
        file.seek(96)
        (pattern,) = struct.unpack("<i", file.read(4))
        if pattern in PATTERNS:
            raise refuse_pattern(PATTERNS[pattern])
        start = _HEADER_BYTES + slo_width * slo_height
        promised = start + n_bscans * (_BSCAN_HEADER_BYTES + 4 * n_depth * n_ascans)
        if not 0 < n_bscans * n_depth * n_ascans <= MAX_VOXELS or promised > path.stat().st_size:
            raise InputError(
                f"found a header that promises {n_bscans} B-scans of {n_depth} x {n_ascans} pixels, expected what the "
                f"file's {path.stat().st_size} bytes hold: cut short or damaged, copy it again"
            )
        file.seek(start)
        voxels, lines_mm = _bscans(file, (n_bscans, n_depth, n_ascans))
    distance_mm, reverse = raster_of_lines(lines_mm)
    if not abs(bscan_mm - distance_mm) <= 0.1 * distance_mm:
        raise InputError(
            f"found B-scans {distance_mm:.4g} mm apart by their positions and {bscan_mm:.4g} mm by the header, "
            "expected the same: export the scan again"
        )
    voxels[voxels >= _INVALID] = 0
    with np.errstate(invalid="ignore"):  # the root of a negative number is NaN, which OctVolume refuses
        np.sqrt(np.sqrt(voxels, out=voxels), out=voxels)
    return OctVolume(
        voxels=Sidecar(reverse=reverse).orient(voxels),
        spacing_mm=spacing_mm or sidecar.spacing_mm or (bscan_mm, depth_mm, ascan_mm),
        laterality=agreed_eye({"the header": eye if eye in EYES else None, "the sidecar": sidecar.laterality}),
        device=device,
    )


def _bscans(file: BufferedReader, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (B-scan, depth, A-scan) float32 and lines (B-scan, 2, 2) in mm, from the file's present position on."""
    n_bscans, n_depth, n_ascans = shape
    voxels = np.empty(shape, dtype=np.float32)
    lines_mm = np.empty((n_bscans, 2, 2))
    for index in range(n_bscans):
        header = file.read(48)
        (n_header_bytes,) = struct.unpack_from("<I", header, 12)
        lines_mm[index] = np.frombuffer(header, "<f8", count=4, offset=16).reshape(2, 2)
        if not _BSCAN_HEADER_BYTES <= n_header_bytes < 2**24:
            raise InputError(f"B-scan {index + 1}: found a header of {n_header_bytes} bytes: damaged, copy it again")
        file.seek(n_header_bytes - len(header), 1)
        pixels = file.read(4 * n_depth * n_ascans)
        if len(pixels) < 4 * n_depth * n_ascans:
            raise InputError(f"B-scan {index + 1} of {n_bscans}: found too few bytes: cut short, copy it again")
        voxels[index] = np.frombuffer(pixels, "<f4").reshape(n_depth, n_ascans)
    return voxels, lines_mm
