"""NIfTI volumes come out as (B-scan, depth, A-scan) with spacing in mm; nibabel is the oracle that writes them."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from bundle.data.readers import read_oct
from bundle.errors import InputError

SPACING_MM = (0.375, 0.042, 0.19)
VOXELS = np.random.default_rng(0).integers(0, 255, (16, 48, 32), dtype=np.uint8)


def save(
    path: Path,
    voxels: np.ndarray = VOXELS,
    zooms: tuple[float, ...] = SPACING_MM,
    unit: str = "mm",
    kind: type = nibabel.Nifti1Image,
) -> Path:
    image = kind(voxels, None)
    image.header.set_zooms(zooms)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["eye.nii", "eye.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_round_trip(tmp_path: Path, name: str, kind: type) -> None:
    volume = read_oct(save(tmp_path / name, kind=kind))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.voxels.dtype == np.uint8
    assert volume.voxels.flags.writeable
    assert volume.spacing_mm == pytest.approx(SPACING_MM)
    assert volume.laterality is None


def test_suffix_does_not_matter(tmp_path: Path) -> None:
    save(tmp_path / "eye.nii.gz").rename(tmp_path / "eye.bin")
    assert read_oct(tmp_path / "eye.bin").voxels.shape == VOXELS.shape


def test_header_extension_is_passed_over(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS, None)
    image.header.set_zooms(SPACING_MM)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"CANARY" * 500))
    nibabel.save(image, tmp_path / "eye.nii.gz")
    np.testing.assert_array_equal(read_oct(tmp_path / "eye.nii.gz").voxels, VOXELS)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("micron", 1000), ("meter", 1e-3), ("unknown", 1)])
def test_units_of_the_header_are_honoured(tmp_path: Path, unit: str, factor: float) -> None:
    path = save(tmp_path / "eye.nii", zooms=tuple(mm * factor for mm in SPACING_MM), unit=unit)
    assert read_oct(path).spacing_mm == pytest.approx(SPACING_MM)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64, ">u2", ">f4"])
def test_other_real_types(tmp_path: Path, dtype: str) -> None:
    image = nibabel.Nifti1Image(VOXELS.astype(dtype), None)
    image.header.set_zooms(SPACING_MM)
    nibabel.save(image, tmp_path / "eye.nii")
    volume = read_oct(tmp_path / "eye.nii")
    assert volume.voxels.dtype == (np.uint16 if dtype == ">u2" else np.float32)
    np.testing.assert_array_equal(volume.voxels, VOXELS)


def test_big_endian_file_and_scaling(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.uint16)
    image = nibabel.Nifti1Image(VOXELS.astype(np.uint16), None, header)
    image.header.set_zooms(SPACING_MM)
    nibabel.save(image, tmp_path / "eye.nii")
    assert read_oct(tmp_path / "eye.nii").voxels.dtype == np.dtype("=u2")
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "scaled.nii")
    expected = nibabel.load(tmp_path / "scaled.nii").get_fdata()
    np.testing.assert_allclose(read_oct(tmp_path / "scaled.nii").voxels, expected, rtol=1e-6)


def test_trailing_single_dimensions_are_dropped(tmp_path: Path) -> None:
    path = save(tmp_path / "eye.nii", VOXELS[..., None], (*SPACING_MM, 1.0))
    np.testing.assert_array_equal(read_oct(path).voxels, VOXELS)


def test_affine_direction_is_not_used(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOXELS, np.diag([-0.375, -0.042, 0.19, 1])), tmp_path / "eye.nii")
    volume = read_oct(tmp_path / "eye.nii")
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.spacing_mm == pytest.approx(SPACING_MM)


def test_sidecar_states_axes_spacing_laterality_and_direction(tmp_path: Path) -> None:
    stored = np.transpose(VOXELS, (2, 1, 0))[:, ::-1]  # (A-scan, depth from below, B-scan)
    save(tmp_path / "eye.nii.gz", stored, (0.19, 0.042, 0.375))
    sidecar = {"axes": ["ascan", "depth", "bscan"], "reverse": ["depth"], "laterality": "left"}
    (tmp_path / "eye.json").write_text(json.dumps(sidecar))
    volume = read_oct(tmp_path / "eye.nii.gz")
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.voxels.flags.c_contiguous
    assert volume.spacing_mm == pytest.approx(SPACING_MM)
    assert volume.laterality == "OS"
    (tmp_path / "eye.json").write_text(json.dumps(sidecar | {"spacing_mm": [0.4, 0.03, 0.2]}))
    assert read_oct(tmp_path / "eye.nii.gz").spacing_mm == (0.4, 0.03, 0.2)
    assert read_oct(tmp_path / "eye.nii.gz", spacing_mm=(0.5, 0.03, 0.2)).spacing_mm == (0.5, 0.03, 0.2)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_axis_order_that_the_sidecar_names_is_undone(tmp_path: Path, order: tuple[int, ...]) -> None:
    save(tmp_path / "eye.nii", np.transpose(VOXELS, order), tuple(SPACING_MM[axis] for axis in order))
    (tmp_path / "eye.json").write_text(json.dumps({"axes": [("bscan", "depth", "ascan")[axis] for axis in order]}))
    volume = read_oct(tmp_path / "eye.nii")
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.spacing_mm == pytest.approx(SPACING_MM)


@pytest.mark.parametrize("axes", [(1, 0, 2), (0, 2, 1)])
def test_other_axis_order_without_sidecar_is_refused(tmp_path: Path, axes: tuple[int, ...]) -> None:
    path = save(tmp_path / "eye.nii", np.transpose(VOXELS, axes), tuple(SPACING_MM[axis] for axis in axes))
    with pytest.raises(
        InputError, match=r'expected depth to be the smallest.*state both in a sidecar, such as \{"axes"'
    ):
        read_oct(path)


@pytest.mark.parametrize(("zooms", "word"), [((1, 1, 1), "placeholder"), ((375, 42, 190), "in millimetres?")])
def test_missing_or_wrongly_scaled_spacing_is_refused(tmp_path: Path, zooms: tuple[float, ...], word: str) -> None:
    with pytest.raises(InputError, match=word):
        read_oct(save(tmp_path / "eye.nii", zooms=zooms))


def test_flipped_bytes_of_a_gzipped_file_never_pass(tmp_path: Path) -> None:
    whole = bytearray(save(tmp_path / "eye.nii.gz").read_bytes())
    rng = np.random.default_rng(1)
    for position in rng.integers(10, len(whole), 60):
        changed = whole.copy()
        changed[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "rot.nii.gz").write_bytes(changed)
        with pytest.raises(InputError, match=r"rot\.nii\.gz"):
            read_oct(tmp_path / "rot.nii.gz")


def test_header_that_lies_about_size_costs_nothing(tmp_path: Path) -> None:
    import resource

    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((500, 800, 600))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    for name, content in [("a.nii", header.binaryblock), ("a.nii.gz", gzip.compress(header.binaryblock))]:
        (tmp_path / name).write_bytes(content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match="header promises 240000352: cut short"):
            read_oct(tmp_path / name)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
    header.set_data_shape((30_000, 30_000, 30_000))
    (tmp_path / "b.nii").write_bytes(header.binaryblock)
    with pytest.raises(InputError, match="expected 1 to"):
        read_oct(tmp_path / "b.nii")
