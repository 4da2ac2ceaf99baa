"""NPZ volumes round-trip, and nothing inside an archive is ever executed or believed unseen."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.data.readers import read_oct
from bundle.errors import InputError

SPACING_MM = (0.375, 0.042, 0.19)
VOXELS = np.random.default_rng(0).integers(0, 255, (16, 48, 32), dtype=np.uint8)


def save(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **({"voxels": VOXELS, "spacing_mm": np.array(SPACING_MM)} | arrays))
    return path


@pytest.mark.parametrize("eye", ["OD", "OS"])
def test_round_trip(tmp_path: Path, eye: str) -> None:
    volume = read_oct(save(tmp_path / "eye.npz", laterality=np.array(eye)))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert (volume.voxels.dtype, volume.spacing_mm, volume.laterality) == (np.uint8, SPACING_MM, eye)
    assert volume.voxels.flags.writeable


@pytest.mark.parametrize(
    ("stored", "read"),
    [("u1", "u1"), ("u2", "u2"), ("i2", "f4"), ("f4", "f4"), ("f8", "f4"), (">f4", "f4"), ("f2", "f4")],
)
def test_types(tmp_path: Path, stored: str, read: str) -> None:
    volume = read_oct(save(tmp_path / "eye.npz", voxels=VOXELS.astype(stored)))
    assert volume.voxels.dtype == np.dtype(read)
    np.testing.assert_array_equal(volume.voxels, VOXELS)


def test_uncompressed_and_fortran_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "eye.npz", voxels=np.asfortranarray(VOXELS), spacing_mm=np.array(SPACING_MM))
    np.testing.assert_array_equal(read_oct(tmp_path / "eye.npz").voxels, VOXELS)


def test_only_volume_is_taken_when_a_sidecar_gives_the_spacing(tmp_path: Path) -> None:
    np.savez(tmp_path / "eye.npz", oct_bscans=VOXELS, md=np.array(-3.0), slo=VOXELS[0])
    with pytest.raises(InputError, match=r"found the keys \['md', 'oct_bscans', 'slo'\], expected voxels, spacing_mm"):
        read_oct(tmp_path / "eye.npz")
    np.testing.assert_array_equal(read_oct(tmp_path / "eye.npz", spacing_mm=SPACING_MM).voxels, VOXELS)
    (tmp_path / "eye.json").write_text(json.dumps({"spacing_mm": SPACING_MM, "laterality": "OD"}))
    volume = read_oct(tmp_path / "eye.npz")
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.laterality == "OD"
    np.savez(tmp_path / "eye.npz", oct_bscans=VOXELS, other=VOXELS)
    with pytest.raises(InputError, match=r"found the keys \['oct_bscans', 'other'\]"):
        read_oct(tmp_path / "eye.npz")


def test_missing_spacing_names_the_sidecar_to_write(tmp_path: Path) -> None:
    np.savez(tmp_path / "eye.npz", voxels=VOXELS)
    with pytest.raises(InputError, match=r'no key spacing_mm: add it, or write a sidecar .* \{"spacing_mm"'):
        read_oct(tmp_path / "eye.npz")


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.sentinel),)


@pytest.mark.parametrize("key", ["voxels", "spacing_mm", "laterality", "other"])
def test_pickled_content_is_never_run(tmp_path: Path, key: str) -> None:
    sentinel = tmp_path / "ran"
    path = save(tmp_path / "eye.npz", **{key: np.array([Payload(sentinel)], dtype=object)})
    if key == "other":  # not needed, so not loaded
        assert read_oct(path).voxels.shape == VOXELS.shape
    else:
        with pytest.raises(InputError, match=f"key {key}: found pickled Python objects"):
            read_oct(path)
    assert not sentinel.exists()
    np.load(path, allow_pickle=True)[key]
    assert sentinel.exists()  # the payload works


def test_flipped_bytes_never_pass(tmp_path: Path) -> None:
    whole = bytearray(save(tmp_path / "eye.npz").read_bytes())
    start = whole.index(b"voxels.npy") + 200
    rng = np.random.default_rng(1)
    for position in rng.integers(start, start + 20_000, 60):
        changed = whole.copy()
        changed[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "rot.npz").write_bytes(changed)
        with pytest.raises(InputError, match=r"rot\.npz"):
            read_oct(tmp_path / "rot.npz")


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ((2000, 2000, 2000), "promises 8000000000 bytes"),
        ((100, 400, 400), "promises 16000000 bytes"),
        ((4, 2, 2), "more bytes than its header promises"),
        ((-1, 48, 32), "damaged"),
    ],
)
def test_header_that_lies_about_size_is_refused(tmp_path: Path, shape: tuple[int, ...], word: str) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    save(tmp_path / "eye.npz")
    spacing = io.BytesIO()
    np.save(spacing, np.array(SPACING_MM))
    with zipfile.ZipFile(tmp_path / "eye.npz", "w") as archive:
        archive.writestr("voxels.npy", header.getvalue() + bytes(range(20)))
        archive.writestr("spacing_mm.npy", spacing.getvalue())
    with pytest.raises(InputError, match=word):
        read_oct(tmp_path / "eye.npz")
