"""NumPy archives: `voxels` (B-scan, depth, A-scan), `spacing_mm` (3,), `laterality` ("OD" or "OS").

Nothing pickled is ever loaded: an object array can run code. A zip bomb is refused by its headers.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from bundle.data.readers.records import MAX_BYTES, OctVolume
from bundle.data.readers.sidecar import EXAMPLE, file_sidecar, parse_laterality, parse_spacing
from bundle.errors import InputError


def is_npz(head: bytes, path: Path) -> bool:
    """Whether the content is a zip archive, which is what an NPZ is."""
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def read_npz(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read an NPZ; `spacing_mm` replaces what the file and its sidecar say, and a sidecar wins over the file.

    Without the key `voxels`, the only 3-D array of the file is taken if a sidecar or `spacing_mm` gives its spacing.
    """
    sidecar = file_sidecar(path)
    with zipfile.ZipFile(path) as archive:
        declared = _all_declared(archive)
        spacing = spacing_mm or sidecar.spacing_mm
        if spacing is None and "spacing_mm" in declared:
            spacing = parse_spacing(_array(archive, "spacing_mm", declared).astype(np.float64).ravel().tolist())
        key = _volume_key(declared, has_spacing=spacing is not None)
        if spacing is None:
            raise InputError(f"found no key spacing_mm: add it, or write a sidecar beside the file, such as {EXAMPLE}")
        voxels = _array(archive, key, declared)
        laterality = sidecar.laterality
        if laterality is None and "laterality" in declared:
            laterality = parse_laterality(str(_array(archive, "laterality", declared)))
    if voxels.dtype not in (np.uint8, np.uint16):
        if voxels.dtype.kind not in "uif":
            raise InputError(f"key {key}: found type {voxels.dtype}, expected real numbers: convert them")
        with np.errstate(over="ignore"):  # an overflow becomes inf, which OctVolume refuses
            voxels = voxels.astype(np.float32)
    return OctVolume(voxels=sidecar.orient(voxels), spacing_mm=spacing, laterality=laterality)


def declared_arrays(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of every array of an NPZ, from the arrays' headers alone."""
    with zipfile.ZipFile(path) as archive:
        return _all_declared(archive)


def _all_declared(archive: zipfile.ZipFile) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    members = {info.filename[:-4]: info for info in archive.infolist() if info.filename.endswith(".npy")}
    return {key: _declared(archive, info) for key, info in members.items()}


def _declared(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type in the header of one array."""
    with archive.open(info) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype


def _array(archive: zipfile.ZipFile, key: str, declared: dict[str, tuple[tuple[int, ...], np.dtype]]) -> np.ndarray:
    shape, dtype = declared[key]
    if dtype.hasobject:
        raise InputError(f"key {key}: found pickled Python objects, expected numbers: save it again as a plain array")
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > min(MAX_BYTES, archive.getinfo(f"{key}.npy").file_size):
        raise InputError(f"key {key}: found a header that promises {n_bytes} bytes, more than is there or allowed")
    with archive.open(f"{key}.npy") as file:
        array = npy.read_array(file, allow_pickle=False)
        if file.read(1):  # the zip checksum is compared at the member's end, so there must be no rest
            raise InputError(f"key {key}: found more bytes than its header promises: save it again")
    return array


def _volume_key(declared: dict[str, tuple[tuple[int, ...], np.dtype]], *, has_spacing: bool) -> str:
    if "voxels" in declared:
        return "voxels"
    volumes = [key for key, (shape, dtype) in declared.items() if len(shape) == 3 and dtype.kind in "uif"]
    if len(volumes) == 1 and has_spacing:
        return volumes[0]
    fix = f"name the volume voxels and add spacing_mm, or write a sidecar beside the file, such as {EXAMPLE}"
    raise InputError(f"found the keys {sorted(declared)}, expected voxels, spacing_mm and laterality: {fix}")
