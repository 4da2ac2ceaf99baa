"""PAPILA: headings over three rows, both eyes of a patient together, MD only where the column exists and is filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bundle.data import Cohort, read_manifest
from bundle.data.adapters import papila
from bundle.data.readers import read_fundus
from bundle.errors import InputError
from tests.data.adapters.layouts import write_papila, write_workbook


def test_eyes_with_an_md_are_the_manifest_and_the_others_are_kept_apart(tmp_path):
    manifest = Path(papila.make_manifest(write_papila(tmp_path / "source"), tmp_path / "out"))
    labelled = read_manifest(manifest)
    assert [(one.patient_id, one.eye, one.md_db, one.age) for one in labelled] == [
        ("002", "OD", -2.5, 60.0), ("006", "OD", -9.0, 62.0), ("002", "OS", -2.5, 60.0), ("006", "OS", -9.0, 62.0),
    ]  # fmt: skip
    rest = read_manifest(manifest.with_name("unlabelled.csv"), labels="optional")
    assert [(one.patient_id, one.eye) for one in rest] == [("004", "OD"), ("004", "OS")]


def test_copy_without_the_column_serves_prediction(tmp_path, caplog):
    manifest = papila.make_manifest(write_papila(tmp_path / "source", md_db=None), tmp_path / "out")
    assert len(read_manifest(manifest, labels="optional")) == 6
    assert "serves prediction" in caplog.text
    with pytest.raises(InputError, match="md_db"):
        Cohort(manifest)


def test_photograph_is_the_eyes_own(tmp_path):
    root = write_papila(tmp_path / "source")
    for one in read_manifest(papila.make_manifest(root, tmp_path / "out")):
        expected = read_fundus(root / "FundusImages" / f"RET{one.patient_id}{one.eye}.jpg")
        assert np.array_equal(read_fundus(one.fundus).pixels, expected.pixels)


def test_column_that_counts_loss_as_positive_needs_the_sign(tmp_path):
    root = write_papila(tmp_path / "source", md_db=(2.5, 4.0, 4.5))
    with pytest.raises(InputError, match="loss to be negative"):
        papila.make_manifest(root, tmp_path / "a")
    rows = read_manifest(papila.make_manifest(root, tmp_path / "b", md_sign=-1))
    assert {one.md_db for one in rows} == {-2.5, -4.0, -4.5}


def test_column_of_a_flag_is_refused(tmp_path):
    with pytest.raises(InputError, match="flags"):
        papila.make_manifest(write_papila(tmp_path / "source", md_db=(0, 1, 1)), tmp_path / "out")


def test_row_without_a_photograph_is_left_out(tmp_path, caplog):
    root = write_papila(tmp_path / "source")
    (root / "FundusImages" / "RET002OS.jpg").unlink()
    rows = read_manifest(papila.make_manifest(root, tmp_path / "out"))
    assert ("002", "OS") not in {(one.patient_id, one.eye) for one in rows}
    assert "patient_data_os.xlsx row 4): no photograph" in caplog.text


def test_table_without_patients_and_a_missing_table_are_refused(tmp_path):
    root = write_papila(tmp_path / "source")
    table = root / "ClinicalData" / "patient_data_os.xlsx"
    write_workbook(table, [["ID", "Age"]])
    with pytest.raises(InputError, match="no row that begins with an identifier"):
        papila.make_manifest(root, tmp_path / "out")
    table.unlink()
    with pytest.raises(InputError, match="no such file"):
        papila.make_manifest(root, tmp_path / "out")


def test_sign_is_one_or_minus_one(tmp_path):
    with pytest.raises(InputError, match="md_sign"):
        papila.make_manifest(write_papila(tmp_path / "source"), tmp_path / "out", md_sign=2)
