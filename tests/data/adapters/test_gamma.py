"""GAMMA: three grades are no MD, so its manifest serves prediction and training refuses it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bundle.data import Cohort, read_manifest
from bundle.data.adapters import gamma
from bundle.data.readers import read_oct
from bundle.errors import InputError
from tests.data.adapters.layouts import N_BSCANS, write_csv, write_gamma, write_workbook


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_gamma(tmp_path / "source")


def _rows(manifest: str) -> list[dict[str, str]]:
    with Path(manifest).open() as file:
        return list(csv.DictReader(file))


def test_grade_is_kept_and_no_md_is_made_of_it(source, tmp_path, caplog):
    manifest = gamma.make_manifest(source, tmp_path / "out")
    rows = _rows(manifest)
    assert [(row["patient_id"], row["grade"]) for row in rows] == [("0001", "0"), ("0002", "1"), ("0003", "2")]
    assert "md_db" not in rows[0]
    assert "no md_db and serves prediction" in caplog.text
    with pytest.raises(InputError, match="md_db"):
        Cohort(manifest)
    assert len(Cohort(manifest, labels="optional").items("all")) == 3


def test_bscans_of_the_inner_folder_are_the_volume(source, tmp_path):
    one = read_manifest(gamma.make_manifest(source, tmp_path / "out"), labels="optional")[0]
    volume = read_oct(one.oct)
    grey = volume.voxels.mean(axis=(1, 2))
    assert (grey[1:] > grey[:-1]).all()
    assert volume.spacing_mm == pytest.approx((3 / N_BSCANS, 0.0026, 3 / 24))
    assert one.fundus.resolve().name == "0001.jpg"


def test_assumed_eye_is_said_and_not_written_into_the_volume(source, tmp_path, caplog):
    one = read_manifest(gamma.make_manifest(source, tmp_path / "out"), labels="optional")[0]
    assert one.eye == "OD"
    assert read_oct(one.oct).laterality is None
    assert "does not say which eye" in caplog.text


def test_table_of_eyes_of_the_user_is_used(source, tmp_path, caplog):
    write_csv(tmp_path / "eyes.csv", [["id", "eye"], ["0001", "OS"], ["2", "R"], ["0003", "left"]])
    rows = read_manifest(gamma.make_manifest(source, tmp_path / "out", tmp_path / "eyes.csv"), labels="optional")
    assert [one.eye for one in rows] == ["OS", "OD", "OS"]
    assert read_oct(rows[0].oct).laterality == "OS"
    assert "does not say which eye" not in caplog.text


def test_table_of_eyes_must_name_every_eye(source, tmp_path):
    write_csv(tmp_path / "eyes.csv", [["id", "eye"], ["0001", "OS"]])
    with pytest.raises(InputError, match="not in the table"):
        gamma.make_manifest(source, tmp_path / "out", tmp_path / "eyes.csv")
    write_csv(tmp_path / "eyes.csv", [["id", "eye"], ["0001", "?"]])
    with pytest.raises(InputError, match="row 2, column eye"):
        gamma.make_manifest(source, tmp_path / "out", tmp_path / "eyes.csv")


def test_images_without_a_table_of_grades_are_enough(source, tmp_path):
    next(source.rglob("*.xlsx")).unlink()
    assert "grade" not in _rows(gamma.make_manifest(source, tmp_path / "out"))[0]


def test_row_with_two_grades_is_refused(source, tmp_path):
    table = next(source.rglob("*.xlsx"))
    write_workbook(table, [["data", "non", "early", "mid_advanced"], [1, 1, 1, 0]])
    with pytest.raises(InputError, match="row 2: expected one 1"):
        gamma.make_manifest(source, tmp_path / "out")


def test_training_and_test_folders_at_once_are_refused(source, tmp_path):
    write_gamma(source / "again")
    with pytest.raises(InputError, match=r"check --source|name the folder"):
        gamma.make_manifest(source / "Glaucoma_grading" / "absent", tmp_path / "out")
    (source / "Glaucoma_grading" / "testing" / "multi-modality_images").mkdir(parents=True)
    with pytest.raises(InputError, match="found 2 folders multi-modality_images"):
        gamma.make_manifest(source, tmp_path / "out")
