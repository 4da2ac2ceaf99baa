"""Writing a cohort: formats, determinism, resuming, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.data.perimetry import mean_deviation_24_2
from bundle.data.phantom import Phantom, make_phantom
from bundle.errors import InputError


def _rows(manifest: str | Path) -> list[dict[str, str]]:
    with open(manifest, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cohort of eight patients."""
    folder = tmp_path_factory.mktemp("phantom") / "cohort"
    manifest = make_phantom(folder, n_patients=8, workers=1)
    assert manifest == str(folder / "manifest.csv")
    return folder


def test_manifest_and_files_have_the_agreed_format(made):
    rows = _rows(made / "manifest.csv")
    assert list(rows[0]) == ["patient_id", "eye", "oct", "fundus", "md_db", "age", "sex", "visit_date", "quality"]
    assert rows[0]["patient_id"] == "P0001"
    for row in rows:
        with np.load(made / row["oct"], allow_pickle=False) as content:
            assert content["voxels"].shape == (16, 48, 32)
            assert content["voxels"].dtype == np.uint8
            np.testing.assert_allclose(content["spacing_mm"], [6 / 16, 2 / 48, 6 / 32])
            assert str(content["laterality"]) == row["eye"]
        with Image.open(made / row["fundus"]) as image:
            assert (image.size, image.mode, image.format) == ((64, 64), "RGB", "PNG")


def test_the_label_is_computed_from_the_field_that_is_written(made):
    with open(made / "fields.csv", newline="", encoding="utf-8") as stream:
        fields = list(csv.DictReader(stream))
    for row, field in zip(_rows(made / "manifest.csv"), fields, strict=True):
        assert (row["patient_id"], row["eye"]) == (field["patient_id"], field["eye"])
        thresholds = np.array([float(field[f"l{i}"]) for i in range(1, 55)])
        assert float(row["md_db"]) == pytest.approx(
            float(mean_deviation_24_2(thresholds, float(row["age"]))), abs=0.005
        )


def test_the_number_of_processes_does_not_matter(made, tmp_path):
    make_phantom(tmp_path / "two", n_patients=8, workers=2)
    assert _bytes(tmp_path / "two") == _bytes(made)


def test_a_finished_cohort_is_reused_untouched(made):
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*")}
    make_phantom(made, n_patients=8)
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*")} == before


def test_an_interrupted_cohort_is_completed(made, tmp_path):
    folder = tmp_path / "broken"
    make_phantom(folder, n_patients=8, workers=1)
    (folder / "manifest.csv").unlink()
    for path in list((folder / "oct").iterdir())[3:]:
        path.unlink()
    (folder / ".manifest.csv.123").write_text("half")  # what a killed process leaves behind
    kept = next((folder / "oct").iterdir())
    stamp = kept.stat().st_mtime_ns
    make_phantom(folder, n_patients=8, workers=1)
    (folder / ".manifest.csv.123").unlink()
    assert _bytes(folder) == _bytes(made)
    assert kept.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("other", [{"seed": 1}, {"n_patients": 9}, {"preset": "balanced"}, {"test_eyes": 4}])
def test_another_cohort_is_never_overwritten(made, other):
    before = _bytes(made)
    with pytest.raises(InputError, match="holds another phantom cohort"):
        make_phantom(made, **({"n_patients": 8} | other))
    assert _bytes(made) == before


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        make_phantom(tmp_path, n_patients=1)
    assert (tmp_path / "manifest.csv").read_text() == "mine"


def test_a_fixed_test_split_does_not_depend_on_the_training_patients(tmp_path):
    few, more = (_rows(make_phantom(tmp_path / str(n), n_patients=n, test_eyes=5)) for n in (6, 12))
    tests = [[r for r in rows if r["split"] == "test"] for rows in (few, more)]
    assert tests[0] == tests[1]
    assert 5 <= len(tests[0]) <= 6
    assert {r["split"] for r in few} == {"train", "validation", "test"}
    by_patient: dict[str, set[str]] = {}
    for row in more:
        by_patient.setdefault(row["patient_id"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in by_patient.values())


def test_parameters_are_recorded(made):
    record = json.loads((made / "phantom.json").read_text())
    assert record == {"version": 1, "preset": "default", "seed": 0, "n_patients": 8, "test_eyes": None}


def test_the_files_are_those_of_the_examinations(made):
    source = Phantom("default", 0)
    examination = source.examinations(0)[0]
    with np.load(made / "oct" / f"P0001_{examination.eye}.npz") as content:
        np.testing.assert_array_equal(content["voxels"], source.render(examination)[0])


@pytest.mark.parametrize("bad", [{"n_patients": 0}, {"n_patients": 2, "test_eyes": 0}])
def test_impossible_sizes_are_refused_before_anything_is_written(tmp_path, bad):
    with pytest.raises(InputError, match="expected at least 1"):
        make_phantom(tmp_path / "x", **bad)
    assert not (tmp_path / "x").exists()
