"""Which files are the images of an eye, by their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.deploy.monailabel.convention import find_studies
from bundle.deploy.monailabel.studies import Studies
from bundle.errors import InputError
from tests.deploy.monailabel.studies_folder import touch


def test_names_pair_the_images_of_an_eye(tmp_path: Path) -> None:
    touch(
        tmp_path, "17_OD_oct.nii.gz", "17_OD_fundus.jpg", "18_os_OCT.npz", "19_fundus.dcm", "20_oct", "21_OS_oct/1.png",
        "22/oct.vol", "22/fundus.tif", "23-OD/oct/1.dcm",
    )  # fmt: skip
    found = {
        name: (study.eye, *(one.relative_to(tmp_path).as_posix() for one in (*study.oct, *study.fundus)))
        for name, study in find_studies(tmp_path).items()
    }
    assert found == {
        "17_OD": ("OD", "17_OD_oct.nii.gz", "17_OD_fundus.jpg"),
        "18_os": ("OS", "18_os_OCT.npz"),
        "19": (None, "19_fundus.dcm"),
        "20": (None, "20_oct"),
        "21_OS": ("OS", "21_OS_oct"),
        "22": (None, "22/oct.vol", "22/fundus.tif"),
        "23-OD": ("OD", "23-OD/oct"),
    }


def test_what_the_convention_does_not_name_is_no_study(tmp_path: Path) -> None:
    touch(
        tmp_path, "1_oct.json", "2_oct.xml", ".3_oct.npz", "_oct.npz", "4.npz", "5_oct_copy.npz", "6_octane.npz",
        "oct.npz", "7_fundus.tar.gz.bak", "8/scan.npz", "9\n_oct.npz", "10/11/oct.npz",
    )  # fmt: skip
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff_oct.npz")).write_bytes(b"x")  # no text: it could not be listed
    assert find_studies(tmp_path) == {}


def test_two_images_of_one_modality_are_refused(tmp_path: Path) -> None:
    studies = Studies(touch(tmp_path, "a_oct.npz", "a_oct.nii", "b_fundus.png", "b/fundus.png"))
    with pytest.raises(InputError, match="oct: found 2 images"):
        studies.get("a")
    with pytest.raises(InputError, match="fundus: found 2 images"):
        studies.get("b")


def test_new_files_are_served_without_a_restart(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    assert studies.all() == {}
    touch(tmp_path, "a_oct.npz")
    assert studies.get("a").modalities == ["oct"]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        Studies(tmp_path / "absent")
