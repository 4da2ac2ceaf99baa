"""Folders of DICOM: one B-scan a file, or a volume among the other files of an examination."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless

from bundle.data.readers import read_oct
from bundle.errors import InputError
from tests.dicom_files import OPT, UPRIGHT, canonical, write_opt, write_series

SPACING_MM = (0.0469, 0.00195, 0.0117)
N = 12


@pytest.mark.parametrize("sop_class", [OPT, "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.77.1.5.1"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("orientation", [UPRIGHT, None])
def test_series_reads_as_the_volume(tmp_path: Path, sop_class: str, dtype: str, orientation: Any) -> None:
    voxels = canonical(dtype=dtype)
    write_series(tmp_path / "scan", voxels, SPACING_MM, "L", sop_class=sop_class, orientation=orientation)
    volume = read_oct(tmp_path / "scan")
    np.testing.assert_array_equal(volume.voxels, voxels)
    assert volume.spacing_mm == pytest.approx(SPACING_MM)
    assert (volume.laterality, volume.device) == ("OS", "Acme Scanner 3")


def test_compressed_series(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", canonical(), SPACING_MM, syntax=JPEGLSLossless)
    np.testing.assert_array_equal(read_oct(tmp_path / "scan").voxels, canonical())


def test_positions_decide_where_numbers_are_absent(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", canonical(), SPACING_MM, numbers=[1] * N)
    np.testing.assert_array_equal(read_oct(tmp_path / "scan").voxels, canonical())


def test_numbers_may_count_in_any_equal_step(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", canonical(), SPACING_MM, orientation=None, numbers=range(5, 5 + 2 * N, 2))
    np.testing.assert_array_equal(read_oct(tmp_path / "scan").voxels, canonical())


def test_volume_among_other_files(tmp_path: Path) -> None:
    """An export holds the scan, a photograph, a report, a directory and previews."""
    write_opt(tmp_path / "scan", canonical(), SPACING_MM)
    photograph = write_series(tmp_path, canonical((2, 96, 64), seed=1), SPACING_MM, modality="OP")
    shutil.copy(tmp_path / "scan", tmp_path / "DICOMDIR")
    Image.fromarray(canonical()[0]).save(tmp_path / "preview.png")
    (tmp_path / "readme.txt").write_text("export")
    np.testing.assert_array_equal(read_oct(photograph).voxels, canonical())


def test_images_with_a_stray_dicom_stay_a_folder_of_images(tmp_path: Path) -> None:
    for index, bscan in enumerate(canonical()):
        Image.fromarray(bscan).save(tmp_path / f"{index}.png")
    write_opt(tmp_path / "original.dcm", canonical(seed=5), SPACING_MM)
    np.testing.assert_array_equal(read_oct(tmp_path, spacing_mm=SPACING_MM).voxels, canonical())


def test_sidecar_in_the_folder(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", canonical(), SPACING_MM, None, orientation=None, between=[])
    with pytest.raises(InputError, match="no spacing between B-scans"):
        read_oct(tmp_path / "scan")
    (tmp_path / "scan" / "oct.json").write_text('{"spacing_mm": [0.05, 0.002, 0.012], "laterality": "OD"}')
    volume = read_oct(tmp_path / "scan")
    assert (volume.spacing_mm, volume.laterality) == ((0.05, 0.002, 0.012), "OD")


def mixed(folder: Path) -> None:
    write_series(folder, canonical(), SPACING_MM)
    write_series(folder, canonical((5, 96, 64)), SPACING_MM)


def two_volumes(folder: Path) -> None:
    folder.mkdir()
    write_opt(folder / "a", canonical(), SPACING_MM)
    write_opt(folder / "b", canonical(), SPACING_MM)


def photographs(folder: Path) -> None:
    write_series(folder, canonical(), SPACING_MM, modality="OP")


def other_eye(index: int, dataset: Dataset) -> None:
    dataset.ImageLaterality = "L" if index == 4 else "R"


def other_size(index: int, dataset: Dataset) -> None:
    if index == 4:
        dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows


def no_number(index: int, dataset: Dataset) -> None:
    if index == 4:
        dataset.InstanceNumber = None


def at_one_place(index: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [0.0, 0.0, 0.0]


REFUSED: dict[str, tuple[Any, str]] = {
    "two series": (mixed, "found 2 series of 12, 5 B-scans, expected one"),
    "two volumes": (two_volumes, "found 2 OCT volumes and 0 single B-scans"),
    "no OCT": (photographs, "found 12 DICOM files and no OCT among them"),
    "missing one": ({"orientation": None, "numbers": [1, 2, 3, *range(5, N + 2)]}, "12 B-scans from 1 to 13 .* gaps"),
    "same number": ({"orientation": None, "numbers": [1, 1, *range(2, N)]}, "gaps or doubles"),
    "no number": ({"orientation": None, "change": no_number}, "without position and number"),
    "other eye": ({"change": other_eye}, "different eyes in one folder"),
    "other size": ({"change": other_size}, "B-scans of 2 sizes or types"),
    "one place": ({"change": at_one_place}, "B-scans in the same place"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    make, word = REFUSED[name]
    if callable(make):
        make(tmp_path / "scan")
    else:
        write_series(tmp_path / "scan", canonical(), SPACING_MM, **make)
    with pytest.raises(InputError, match=word) as caught:
        read_oct(tmp_path / "scan")
    assert str(caught.value).startswith(f"{tmp_path / 'scan'}: ")
    assert "CANARY" not in str(caught.value)


def test_copy_of_a_file_is_noticed(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", canonical(), SPACING_MM)
    file = next((tmp_path / "scan").iterdir())
    shutil.copy(file, file.with_name("copy"))
    with pytest.raises(InputError, match="uneven distances"):
        read_oct(tmp_path / "scan")
