"""RLE frames that pylibjpeg-rle or pydicom encodes, and that are packed by hand."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import RLELossless

from bundle.data.readers import read_fundus, read_oct
from bundle.errors import InputError
from tests.dicom_files import Change, canonical, write_opt
from tests.dicom_photos import write_op

SPACING_MM = (0.05, 0.005, 0.012)
ROWS, COLUMNS = 20, 24
SHAPE = (5, ROWS, COLUMNS)


def packed(plane: np.ndarray) -> bytes:
    """PackBits by hand: literal runs, a repeated byte, and the code -128 that stands for nothing."""
    literal = plane.tobytes()
    runs = [literal[i : i + 100] for i in range(0, len(literal), 100)]
    return b"\x80".join(bytes([len(run) - 1]) + run for run in runs)


def frame(planes: list[bytes], n_segments: int | None = None) -> bytes:
    starts = np.cumsum([64, *map(len, planes[:-1])]).tolist()
    header = [len(planes) if n_segments is None else n_segments, *starts, *[0] * (15 - len(planes))]
    return struct.pack("<16I", *header) + b"".join(planes)


def pixels(frames: list[bytes]) -> Change:
    def change(dataset: Dataset) -> None:
        dataset.PixelData = encapsulate(frames)

    return change


def scan(folder: Path, frames: list[bytes], dtype: str = "u1") -> Path:
    voxels = canonical(SHAPE, dtype)
    return write_opt(folder / "scan", voxels, SPACING_MM, syntax=RLELossless, change=pixels(frames))


@pytest.mark.parametrize("plugin", ["pydicom", "pylibjpeg"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_both_encoders(tmp_path: Path, dtype: str, plugin: str) -> None:
    voxels = canonical(SHAPE, dtype)
    voxels[:, 3:6] = 77  # runs
    encode = get_encoder(RLELossless).encode
    options: dict[str, Any] = {
        "rows": ROWS,
        "columns": COLUMNS,
        "samples_per_pixel": 1,
        "bits_allocated": voxels.itemsize * 8,
    }
    options |= {"bits_stored": voxels.itemsize * 8, "pixel_representation": 0, "number_of_frames": 1}
    options |= {"photometric_interpretation": "MONOCHROME2"}
    frames = [encode(one, encoding_plugin=plugin, **options) for one in voxels]
    np.testing.assert_array_equal(read_oct(scan(tmp_path, frames, dtype)).voxels, voxels)


def test_packed_by_hand_with_padding(tmp_path: Path) -> None:
    voxels = canonical(SHAPE, "u2")
    planes = [[one.astype(">u2").view("u1").reshape(ROWS, COLUMNS, 2)[..., k] for k in (0, 1)] for one in voxels]
    for padding in (b"", b"\0", b"\x80", b"\x12" + bytes(19)):  # the last: 19 bytes, fewer than a row or column
        frames = [frame([packed(plane) + padding for plane in pair]) for pair in planes]
        np.testing.assert_array_equal(read_oct(scan(tmp_path, frames, "u2")).voxels, voxels)


def test_sixteen_bit_colour(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 2**16, (ROWS, COLUMNS, 3), dtype=np.uint16)
    big = rgb.astype(">u2").view("u1").reshape(ROWS, COLUMNS, 3, 2)
    segments = [packed(big[..., sample, k]) for sample in range(3) for k in (0, 1)]
    path = write_op(tmp_path / "a", rgb, encoding="rle", PixelData=encapsulate([frame(segments)]))
    np.testing.assert_array_equal(read_fundus(path).pixels, np.floor(rgb / 257 + 0.5).astype(np.uint8))


def plane(n_more: int = 0) -> bytes:
    return packed(np.random.default_rng(1).integers(0, 256, ROWS * COLUMNS + n_more, dtype=np.uint8))


PLANE = plane()
BAD = {
    "a row more": frame([plane(COLUMNS)]),
    "a column more": frame([plane(ROWS)]),
    "a column less": frame([plane(-ROWS)]),
    "a byte less": frame([plane(-1)]),
    "two segments": frame([PLANE, PLANE]),
    "no segments": frame([PLANE], 0),
    "many segments": frame([PLANE], 2**31),
    "empty": frame([b""]),
    "header cut": frame([PLANE])[:40],
    "segment cut": frame([PLANE])[:-30],
    "start beyond the end": struct.pack("<16I", 1, 10**6, *[0] * 14) + PLANE,
    "bomb": frame([b"\x81\0" * 10**6]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_frame(tmp_path: Path, name: str) -> None:
    path = scan(tmp_path, [frame([PLANE])] * 4 + [BAD[name]])
    with pytest.raises(InputError, match=r"cannot be decoded as RLE Lossless \(\w+\): damaged"):
        read_oct(path)
