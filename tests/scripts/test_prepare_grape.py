"""`scripts.prepare_grape`: from a folder in GRAPE's layout to a cohort that the manifest reader accepts."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from bundle.data import k_fold, read_manifest
from bundle.data.perimetry_g1 import mean_deviation_db
from bundle.errors import InputError
from scripts.prepare_grape import main
from tests.data.adapters.grape_folder import baseline_row, field, small_grape, write_grape
from tests.realdata import realdata


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return small_grape(tmp_path_factory.mktemp("grape"), patients=4)


def _prepare(source: Path, out: Path, *options: str) -> list[dict[str, str]]:
    main(["--source", str(source), "--out", str(out), "--oct-shape", "8", "32", "16", *options])
    with (out / "manifest.csv").open() as file:
        return list(csv.DictReader(file))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_eye_gets_both_images_and_its_own_label(source, tmp_path):
    rows = _prepare(source, tmp_path / "out")
    assert len(rows) == 8
    for row in rows:
        subject = int(row["patient_id"].removeprefix("G"))
        expected_db = mean_deviation_db(np.full(59, 20.0 + subject % 7), 60.0)
        assert float(row["md_db"]) == pytest.approx(expected_db, abs=1e-3)
        assert float(row["mean_sensitivity_db"]) == 20 + subject % 7
        assert (row["device"], row["visit"], row["age"], row["sex"]) == ("GRAPE", "1", "60", "female")


def test_volumes_have_the_layout_that_the_readers_expect(source, tmp_path):
    row = next(row for row in _prepare(source, tmp_path / "out") if row["eye"] == "OS")
    with np.load(tmp_path / "out" / row["oct"]) as file:
        assert file["voxels"].shape == (8, 32, 16)
        assert file["voxels"].dtype == np.uint8
        assert file["spacing_mm"].tolist() == [6 / 8, 2 / 32, 6 / 16]
        assert str(file["laterality"]) == "OS"


def test_photographs_are_copied_unchanged_and_the_folder_can_move(source, tmp_path):
    row = _prepare(source, tmp_path / "out")[0]
    original = source / "rois" / "900_OD_1.jpg"
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert (tmp_path / "moved" / row["fundus"]).read_bytes() == original.read_bytes()
    assert len(read_manifest(tmp_path / "moved" / "manifest.csv")) == 8


def test_both_eyes_and_all_visits_of_a_patient_stay_in_one_fold(source, tmp_path):
    _prepare(source, tmp_path / "out", "--visits", "all")
    rows = read_manifest(tmp_path / "out" / "manifest.csv")
    assert len(rows) == 12
    patient = {one.row: one.patient_id for one in rows}
    for train, test in k_fold(rows, 2):
        assert not {patient[row] for row in train} & {patient[row] for row in test}


def test_fundus_only_renders_nothing(source, tmp_path):
    rows = _prepare(source, tmp_path / "out", "--modalities", "fundus")
    assert len(rows) == 8
    assert {row["oct"] for row in rows} == {""}
    assert not (tmp_path / "out" / "oct").exists()


def test_oct_only_copies_no_photograph(source, tmp_path):
    rows = _prepare(source, tmp_path / "out", "--modalities", "oct")
    assert {row["fundus"] for row in rows} == {""}
    assert all(row["oct"] for row in rows)


def test_same_input_gives_the_same_bytes(source, tmp_path):
    _prepare(source, tmp_path / "one")
    _prepare(source, tmp_path / "two")
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_second_run_writes_nothing(source, tmp_path, capsys):
    _prepare(source, tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    _prepare(source, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == times
    assert "nothing was written" in capsys.readouterr().out


def test_interrupted_run_is_completed(source, tmp_path):
    _prepare(source, tmp_path / "out")
    whole = _files(tmp_path / "out")
    (tmp_path / "out" / "manifest.csv").unlink()
    next((tmp_path / "out" / "oct").iterdir()).unlink()
    _prepare(source, tmp_path / "out")
    assert _files(tmp_path / "out") == whole


def test_damaged_cohort_is_not_taken_for_complete(source, tmp_path):
    _prepare(source, tmp_path / "out")
    next((tmp_path / "out" / "oct").iterdir()).write_bytes(b"other")
    with pytest.raises(InputError, match="sha256_oct"):
        _prepare(source, tmp_path / "out")


@pytest.mark.parametrize("options", [("--seed", "1"), ("--modalities", "fundus"), ("--visits", "all")])
def test_different_cohort_is_not_overwritten(source, tmp_path, options):
    _prepare(source, tmp_path / "out")
    before = _files(tmp_path / "out")
    with pytest.raises(InputError, match="found a cohort with another"):
        _prepare(source, tmp_path / "out", *options)
    assert _files(tmp_path / "out") == before


def test_other_patients_are_not_written_over_a_cohort(source, tmp_path):
    _prepare(source, tmp_path / "out")
    other = write_grape(tmp_path / "other", [baseline_row(950, "OD")])
    with pytest.raises(InputError, match="another tables_sha256"):
        _prepare(other, tmp_path / "out")


def test_folder_with_other_files_is_refused(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match="no GRAPE cohort"):
        _prepare(source, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.docx").read_text() == "mine"


def test_missing_modalities_and_reasons_are_summed_up(tmp_path, capsys):
    source = write_grape(
        tmp_path / "grape",
        [
            baseline_row(900, "OD"),
            baseline_row(901, "OD", Mean="/"),
            baseline_row(902, "OD", I="/"),
            baseline_row(903, "OD", Age="/"),
            baseline_row(904, "OD", T="350", S="350", N="10", I="350"),
        ],
        None,
        ("900_OD_1.jpg", "901_OD_1.jpg"),
    )
    rows = _prepare(source, tmp_path / "out")
    shown = capsys.readouterr().out
    assert [(row["patient_id"], bool(row["oct"]), bool(row["fundus"])) for row in rows] == [
        ("G900", True, True),
        ("G901", False, True),
    ]
    assert "2 examinations of 2 eyes of 2 patients: 1 with OCT and photograph" in shown
    assert "GRAPE_VF.csv row 4): neither a photograph nor RNFL" in shown
    assert "GRAPE_VF.csv row 5): the age is missing" in shown
    assert "GRAPE_VF.csv row 6): its RNFL quadrants differ too much" in shown
    assert "90" not in shown.replace(str(tmp_path), "")  # no patient is named


def test_unreadable_photograph_counts_as_missing(tmp_path):
    source = write_grape(tmp_path / "grape", [baseline_row(900, "OD"), baseline_row(901, "OD", Mean="/")])
    (source / "rois").mkdir()
    for subject in (900, 901):
        (source / "rois" / f"{subject}_OD_1.jpg").write_bytes(b"\xff\xd8 cut short")
    rows = _prepare(source, tmp_path / "out")
    assert [(row["patient_id"], row["fundus"]) for row in rows] == [("G900", "")]


def test_impossible_deviation_is_left_out(tmp_path, capsys):
    source = write_grape(tmp_path / "grape", [baseline_row(900, "OD", **field(45)), baseline_row(901, "OD")])
    assert len(_prepare(source, tmp_path / "out")) == 1
    assert "row 2): mean deviation" in capsys.readouterr().out


def test_source_without_usable_visits_is_refused_and_leaves_no_manifest(tmp_path):
    source = write_grape(tmp_path / "grape", [baseline_row(900, "OD")])
    with pytest.raises(InputError, match="'fundus' needs"):
        _prepare(source, tmp_path / "out", "--modalities", "fundus")
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_volume_size_is_checked(source, tmp_path):
    with pytest.raises(InputError, match="--oct-shape"):
        _prepare(source, tmp_path / "out", "--oct-shape", "4", "32", "16")


def test_real_sample_becomes_a_cohort(tmp_path, capsys):
    rows = _prepare(realdata("grape"), tmp_path / "out")
    assert len(rows) == 169
    shown = capsys.readouterr().out
    assert "94 patients: 158 with OCT and photograph, 0 with OCT only, 11 with a photograph only" in shown
    md_db = np.array([float(row["md_db"]) for row in rows])
    rnfl_um = np.array([float(row["rnfl_mean_um"] or "nan") for row in rows])
    known = np.isfinite(rnfl_um)
    assert np.corrcoef(md_db[known], rnfl_um[known])[0, 1] == pytest.approx(0.62, abs=0.02)
    assert md_db.mean() == pytest.approx(-5.6, abs=0.1)
