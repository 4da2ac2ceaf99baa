"""Which file belongs to which eye, and what is refused without a word of a header."""

from pathlib import Path

import numpy as np
import pytest

from bundle.deploy.monai_deploy.study import eyes_in
from bundle.errors import InputError
from tests.dicom_files import canonical, write_opt
from tests.dicom_header import CANARY
from tests.dicom_photos import write_op


def test_each_eye_gets_its_own_files(patient: Path) -> None:
    assert eyes_in(patient) == {
        "OD": {"oct": patient / "a.dcm", "fundus": patient / "b.dcm"},
        "OS": {"oct": patient / "c.dcm"},
    }


def test_files_in_folders_are_found(patient: Path) -> None:
    (patient / "deep" / "er").mkdir(parents=True)
    moved = (patient / "c.dcm").rename(patient / "deep" / "er" / "c")
    assert eyes_in(patient)["OS"] == {"oct": moved}


def _second_volume(folder: Path) -> None:
    write_opt(folder / "d.dcm", canonical((6, 24, 16)), (0.9, 0.1, 0.4), "L")


def _no_laterality(folder: Path) -> None:
    write_opt(folder / "d.dcm", canonical((6, 24, 16)), (0.9, 0.1, 0.4), None)


def _other_patient(folder: Path) -> None:
    write_op(folder / "d.dcm", np.zeros((8, 8), np.uint8), laterality="L", patient_id="CANARY0815")


def _cut_short(folder: Path) -> None:
    (folder / "c.dcm").write_bytes((folder / "c.dcm").read_bytes()[:200])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_second_volume, "file 4 is a second oct image of OS"),
        (_no_laterality, "file 4: found no laterality"),
        (_other_patient, "files of 2 patients"),
        (_cut_short, "file 3: "),
    ],
)
def test_what_is_not_clear_is_refused_in_one_line_without_names(patient: Path, change: object, match: str) -> None:
    folder = patient.rename(patient.with_name(f"{CANARY}_folder"))
    change(folder)  # type: ignore[operator]
    with pytest.raises(InputError, match=match) as caught:
        eyes_in(folder)
    assert "CANARY" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither OCT volume"):
        eyes_in(tmp_path)
    with pytest.raises(InputError, match="found no folder"):
        eyes_in(tmp_path / "absent")
