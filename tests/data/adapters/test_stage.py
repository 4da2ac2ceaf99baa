"""STAGE 2023 and 2024: B-scans in natural order, identifiers as folders and numbers, no stage in the manifest."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bundle.data import read_manifest
from bundle.data.adapters import stage, stage2
from bundle.data.readers import read_fundus, read_oct
from bundle.errors import InputError
from tests.data.adapters.layouts import N_BSCANS, write_bscans, write_csv, write_stage, write_workbook

ADAPTERS = {"stage": stage, "stage2": stage2}


@pytest.fixture(params=["stage", "stage2"])
def prepared(request, tmp_path: Path) -> tuple[str, Path]:
    """Edition and manifest."""
    root = write_stage(tmp_path / "source", request.param)
    return request.param, Path(ADAPTERS[request.param].make_manifest(root, tmp_path / "out"))


def test_labels_follow_the_number_of_the_folder(prepared):
    edition, manifest = prepared
    rows = read_manifest(manifest)
    assert [(one.patient_id, one.eye, one.md_db, one.age) for one in rows] == [
        ("training_0001", "OD", -1.5, 50.0),
        ("training_0002", "OS", -7.25, 51.0),
        ("training_0007", "OD", -20.0, 52.0),
    ]
    assert [one.oct.resolve().name for one in rows if one.oct] == ["0001", "0002", "0007"]
    assert all((one.fundus is not None) == (edition == "stage2") for one in rows)


def test_bscans_stand_in_the_order_of_their_numbers(prepared):
    voxels = read_oct(read_manifest(prepared[1])[0].oct).voxels
    grey = voxels.mean(axis=(1, 2))
    assert np.allclose(grey, 10 + 15 * np.arange(N_BSCANS), atol=1.5)
    by_name = sorted(range(N_BSCANS), key=lambda k: f"{k}_image.jpg")
    by_first_digit = sorted(range(N_BSCANS), key=lambda k: int(f"{k}_image.jpg"[0]))
    for published in (by_name, by_first_digit):  # the traps: both differ from the right order
        assert not np.allclose(grey, grey[published], atol=1.5)


def test_stage_which_is_a_class_of_the_label_is_nowhere(prepared):
    text = prepared[1].read_text() + prepared[1].with_name("unlabelled.csv").read_text()
    assert not [word for word in ("stage", "normal", "early", "intermediate", "advanced") if word in text.lower()]


def test_validation_eyes_have_no_md_and_are_kept_apart(prepared):
    (one,) = read_manifest(prepared[1].with_name("unlabelled.csv"), labels="optional")
    assert (one.patient_id, one.labelled) == ("validation_0201", False)
    assert all(row.patient_id != one.patient_id for row in read_manifest(prepared[1]))


def test_spacing_and_laterality_are_stated(prepared):
    for one in read_manifest(prepared[1]):
        volume = read_oct(one.oct)
        assert volume.spacing_mm == pytest.approx((3 / N_BSCANS, 0.0026, 3 / 24))
        assert volume.laterality == one.eye


def test_photograph_is_the_eyes_own(tmp_path):
    root = write_stage(tmp_path / "source")
    rows = read_manifest(stage2.make_manifest(root, tmp_path / "out"))
    for one, name in zip(rows, ("0001", "0002", "0007"), strict=True):
        expected = root / "STAGE_training" / "training_images" / name / f"{name}.jpg"
        assert np.array_equal(read_fundus(one.fundus).pixels, read_fundus(expected).pixels)


def test_user_states_another_sidecar(tmp_path):
    root = write_stage(tmp_path / "source")
    plain = read_manifest(stage2.make_manifest(root, tmp_path / "a"))[0]
    sidecar = {"reverse": ["bscan"], "spacing_mm": [0.4, 0.003, 0.2]}
    turned = read_manifest(stage2.make_manifest(root, tmp_path / "b", oct_sidecar=sidecar))[0]
    assert np.array_equal(read_oct(turned.oct).voxels, read_oct(plain.oct).voxels[::-1])
    assert read_oct(turned.oct).spacing_mm == (0.4, 0.003, 0.2)


def test_training_alone_and_a_folder_of_its_own_name_are_enough(tmp_path):
    root = write_stage(tmp_path / "source", validation=())
    shutil.move(root / "STAGE_training", tmp_path / "STAGE_training")
    shutil.rmtree(root / "STAGE_validation", ignore_errors=True)
    shutil.move(tmp_path / "STAGE_training", root / "STAGE_training" / "STAGE_training")
    manifest = Path(stage2.make_manifest(root, tmp_path / "out"))
    assert len(read_manifest(manifest)) == 3
    assert not manifest.with_name("unlabelled.csv").exists()


def test_one_edition_is_not_taken_for_the_other(tmp_path):
    with pytest.raises(InputError, match=r"data/stage2\.yaml"):
        stage.make_manifest(write_stage(tmp_path / "new", "stage2"), tmp_path / "out")
    with pytest.raises(InputError, match=r"data/stage\.yaml"):
        stage2.make_manifest(write_stage(tmp_path / "old", "stage"), tmp_path / "out")


def test_incomplete_eyes_are_left_out_and_counted(tmp_path, caplog):
    root = write_stage(tmp_path / "source", ids=(1, 2, 3, 4), md_db=(-1, -2, -3, -4), eyes=("OD",) * 4)
    images = root / "STAGE_training" / "training_images"
    (images / "0001" / "5_image.jpg").unlink()
    shutil.rmtree(images / "0002")
    (images / "0003" / "0_image.jpg").write_bytes(b"\xff\xd8 cut short")
    rows = read_manifest(stage2.make_manifest(root, tmp_path / "out"))
    assert [one.patient_id for one in rows] == ["training_0004"]
    for reason in ("B-scans are missing", "row 3): no folder of that ID", "first B-scan cannot be decoded"):
        assert reason in caplog.text


def test_label_without_a_row_of_its_eye_is_counted(tmp_path, caplog):
    root = write_stage(tmp_path / "source")
    write_csv(
        root / "STAGE_training" / "training_GT" / "task1_GT_training.csv",
        [["ID", "MD"], ["1", "-1"], ["2", "-2"], ["7", "-3"], ["9", "-4"]],
    )
    assert len(read_manifest(stage2.make_manifest(root, tmp_path / "out"))) == 3
    assert "left out 1 with an MD" in caplog.text


def test_value_that_is_no_md_is_named_by_row_and_column(tmp_path):
    root = write_stage(tmp_path / "source", md_db=(-1.5, 73.0, -20.0))
    with pytest.raises(InputError, match=r"task1_GT_training\.csv, row 3, column MD: found '73.0'"):
        stage2.make_manifest(root, tmp_path / "out")


def test_table_without_the_eye_is_refused(tmp_path):
    root = write_stage(tmp_path / "source")
    write_workbook(root / "STAGE_training" / "data_info_training.xlsx", [["ID", "eye"], [1, "?"], [2, "OS"], [7, "OD"]])
    with pytest.raises(InputError, match="found 0 columns with OD or OS"):
        stage2.make_manifest(root, tmp_path / "out")


def test_other_files_in_an_eyes_folder_do_not_matter(tmp_path):
    root = write_stage(tmp_path / "source")
    folder = root / "STAGE_training" / "training_images" / "0001"
    np.save(folder / "img.npy", np.zeros(3))  # published preprocessing leaves it there
    one = read_manifest(stage2.make_manifest(root, tmp_path / "out"))[0]
    assert read_oct(one.oct).voxels.shape[0] == N_BSCANS


def test_same_number_in_both_parts_is_two_eyes(tmp_path):
    root = write_stage(tmp_path / "source", validation=(1,))
    write_bscans(root / "STAGE_validation" / "validation_images" / "0001", count=8)
    manifest = Path(stage2.make_manifest(root, tmp_path / "out"))
    (other,) = read_manifest(manifest.with_name("unlabelled.csv"), labels="optional")
    assert other.oct.resolve() != read_manifest(manifest)[0].oct.resolve()


def test_records_of_the_preparation_hold_no_path(tmp_path):
    manifest = Path(stage2.make_manifest(write_stage(tmp_path / "source"), tmp_path / "out"))
    with manifest.open() as file:
        assert not [row for row in csv.DictReader(file) if str(tmp_path) in "".join(row.values())]
    assert str(tmp_path) not in json.dumps(json.loads((manifest.parent / "dataset.json").read_text()))
