"""Cirrus raw cubes: written voxel by voxel where the format puts them, read back canonical; look-alikes are refused."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from bundle.data.readers import read_oct
from bundle.errors import InputError

SHAPES = {"disc": (200, 1024, 200), "macula": (128, 1024, 512)}


def cube_bytes(voxels: np.ndarray) -> np.ndarray:
    """The file's bytes: each voxel (B-scan, depth, A-scan) goes to the place that the export's rule names."""
    n_bscans, n_depth, n_ascans = voxels.shape
    content = np.empty(voxels.size, np.uint8)
    from_the_right = n_ascans - 1 - np.arange(n_ascans)
    for bscan in range(n_bscans):
        for depth in range(n_depth):
            row = bscan * n_depth + (n_depth - 1 - depth)
            content[row * n_ascans + from_the_right] = voxels[bscan, depth]
    return content


@pytest.fixture(scope="module", params=["disc", "macula"])
def cube(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    n_bscans, n_depth, n_ascans = shape = SHAPES[request.param]
    voxels = np.random.default_rng(0).integers(0, 256, (n_bscans, 1, n_ascans), dtype=np.uint8) ^ np.arange(
        n_depth, dtype=np.uint16
    ).astype(np.uint8).reshape(1, -1, 1)
    assert voxels.shape == shape
    path = tmp_path_factory.mktemp(request.param) / "P1_Cube_1-2-2020_11-25-32_OS_sn2132_cube_z.img"
    cube_bytes(voxels).tofile(path)
    return path, voxels


def test_cube_is_canonical(cube: tuple[Path, np.ndarray]) -> None:
    path, voxels = cube
    volume = read_oct(path)
    np.testing.assert_array_equal(volume.voxels, voxels)
    assert volume.voxels.flags.c_contiguous
    assert volume.voxels.flags.writeable
    extent = np.array(volume.spacing_mm) * voxels.shape
    np.testing.assert_allclose(extent, (6, 2, 6))
    assert (volume.laterality, volume.geometry, volume.device) == ("OS", "raster", "Zeiss Cirrus")


def test_scrambled_readings_are_others(cube: tuple[Path, np.ndarray]) -> None:
    """The mistakes that other readers make in silence: no flip, and rows and columns taken for each other."""
    path, voxels = cube
    content, (n_bscans, n_depth, n_ascans) = np.fromfile(path, np.uint8), voxels.shape
    right = read_oct(path).voxels
    for wrong in (
        content.reshape(n_bscans, n_depth, n_ascans),
        content.reshape(n_bscans, n_depth, n_ascans)[:, ::-1],
        content.reshape(n_bscans, n_ascans, n_depth).transpose(0, 2, 1),
        content.reshape(n_bscans, n_ascans, n_depth).transpose(0, 2, 1)[:, ::-1, ::-1],
    ):
        assert wrong.shape == right.shape
        assert (wrong != right).mean() > 0.5


def linked(cube: tuple[Path, np.ndarray], folder: Path, name: str) -> Path:
    path = folder / name
    os.link(cube[0], path)
    return path


def test_eye_comes_from_name_or_sidecar(cube: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path = linked(cube, tmp_path, "P1_OD_cube.IMG")
    assert read_oct(path).laterality == "OD"
    (tmp_path / "P1_OD_cube.json").write_text('{"laterality": "OS"}')
    with pytest.raises(InputError, match="found OD in the file's name and OS in the sidecar, expected one eye"):
        read_oct(path)
    unnamed = linked(cube, tmp_path, "cube.img")
    assert read_oct(unnamed).laterality is None
    (tmp_path / "cube.json").write_text('{"laterality": "OS", "spacing_mm": [0.03, 0.002, 0.04]}')
    volume = read_oct(unnamed)
    assert (volume.laterality, volume.spacing_mm) == ("OS", (0.03, 0.002, 0.04))


def test_anterior_segment_and_analyze_pair_are_refused(cube: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a cube of the anterior segment by its name"):
        read_oct(linked(cube, tmp_path, "P1_Anterior Segment Cube 512x128_OD_cube_z.img"))
    pair = linked(cube, tmp_path, "pair.img")
    (tmp_path / "pair.hdr").write_bytes(bytes(348))
    with pytest.raises(InputError, match=r"found the voxels of an Analyze or NIfTI pair .*: convert to .nii.gz"):
        read_oct(pair)


@pytest.mark.parametrize("n_bytes", [1, 1000, 40_960_000 - 1, 40_960_000 + 1, 5 * 1024 * 1024])
def test_other_sizes_are_refused_naming_the_two(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "P1_OD_cube.img"
    with path.open("wb") as file:
        file.truncate(n_bytes)
    with pytest.raises(InputError, match=r"40,960,000 \(200 B-scans of 200 .*\) or 67,108,864 \(128 B-scans of 512"):
        read_oct(path)


def test_blank_cube_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "P1_OD_cube.img"
    with path.open("wb") as file:
        file.truncate(40_960_000)
    with pytest.raises(InputError, match="blank image"):
        read_oct(path)


def test_other_content_named_img_is_read_as_what_it_is(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 255, (16, 48, 32), dtype=np.uint8)
    image = nibabel.Nifti1Image(voxels, np.eye(4))
    image.header.set_zooms((0.375, 0.042, 0.19))
    (tmp_path / "eye.img").write_bytes(image.to_bytes())
    np.testing.assert_array_equal(read_oct(tmp_path / "eye.img").voxels, voxels)
    (tmp_path / "eye.img").write_bytes(b"%PDF-1.7" + bytes(1000))
    with pytest.raises(InputError, match="a PDF report"):
        read_oct(tmp_path / "eye.img")
