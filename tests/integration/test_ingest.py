"""From a clinic's DICOM folder to a trained network and its predictions: nothing on the way may hold an identifier."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bundle.data import Cohort
from bundle.data.phantom import Phantom
from bundle.reporting.predictions import Predictions
from scripts.ingest import main
from tests.clinic_folder import FIRST_DAY, canaries, examinations, field_md_db, write_clinic
from tests.integration.test_config_workflow import SMALL, execute, workflow


@pytest.fixture(scope="module", autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A config changes the process: hook, path, seeds, determinism. All is put back."""
    hook, path, state = sys.excepthook, list(sys.path), torch.get_rng_state()
    numpy_state = np.random.get_state()  # noqa: NPY002
    yield
    sys.excepthook, sys.path[:] = hook, path
    torch.set_rng_state(state)
    np.random.set_state(numpy_state)  # noqa: NPY002
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clinic(tmp_path_factory.mktemp("clinic"))


@pytest.fixture(scope="module")
def cohort(clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ingested folder."""
    out = tmp_path_factory.mktemp("ingested") / "cohort"
    main([str(clinic), "--out", str(out), "--jobs", "2"])
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and those of what is packed in it: zip members (NPZ, model files), pixels and chunks of PNG."""
    raw = path.read_bytes()
    yield raw
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                yield info.filename.encode() + info.comment + info.extra + archive.read(info)
    if raw.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(raw)) as image:
            yield repr(image.info).encode() + image.tobytes()
    if raw.startswith(b"SQLite"):
        with sqlite3.connect(path) as connection:
            yield "\n".join(connection.iterdump()).encode()


def leaks(*folders: Path) -> list[str]:
    """Where a canary stands, in a name or in any content, in any case."""
    files = [path for folder in folders for path in folder.rglob("*")]
    assert any(path.is_file() for path in files)
    found = [str(p) for p in files for word in canaries() if word.lower() in p.name.lower().encode()]
    for path in (p for p in files if p.is_file()):
        for content in contents(path):
            lower = content.lower()
            found += [f"{path}: {word!r}" for word in canaries() if word.lower() in lower]
    return found


def test_the_search_finds_canaries_where_they_are(clinic: Path, cohort: Path, tmp_path: Path) -> None:
    """The sources and the private list hold them; so would a zip, a PNG text and a database."""
    assert len({leak.split(": ")[-1] for leak in leaks(clinic)}) >= 19
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "s.csv").write_bytes((cohort.parent / "cohort_sources.csv").read_bytes())
    assert leaks(tmp_path / "private")
    np.savez_compressed(tmp_path / "a.npz", x=np.frombuffer(b"MRNCANARY01" * 50, np.uint8))
    assert b"MRNCANARY01" not in (tmp_path / "a.npz").read_bytes()
    assert any("a.npz" in leak for leak in leaks(tmp_path))


def test_every_field_is_paired_with_its_own_images(cohort: Path) -> None:
    manifest = rows(cohort / "manifest.csv")
    phantom = Phantom("default", seed=7)
    truth = {f"{field_md_db(one, patient, day):.3f}": (patient, one) for patient, day, one in examinations(12)}
    left_eyes = [one for patient, one in truth.values() if patient == 3 and one.eye == "OS"]
    assert len(manifest) == len(truth) - len(left_eyes)  # they have no field
    for row in manifest:
        patient, one = truth[f"{float(row['md_db']):.3f}"]
        assert row["eye"] == one.eye
        voxels, pixels = phantom.render(one)
        assert row["oct"] or patient == 0
        if row["oct"]:
            with np.load(cohort / row["oct"]) as file:
                assert sorted(file) == ["laterality", "spacing_mm", "voxels"]
                assert np.array_equal(file["voxels"], voxels)
                assert np.allclose(file["spacing_mm"], phantom.preset.oct.spacing_mm)
                assert str(file["laterality"]) == row["eye"]
        assert np.array_equal(np.asarray(Image.open(cohort / row["fundus"])), pixels)
        assert (row["days_to_oct"], row["days_to_fundus"]) == ("3" if row["oct"] else "", "11")
        assert row["sex"] == ("female", "male")[patient % 2]
        assert int(row["age"]) in (76, 77, 78)
    assert len(Cohort(cohort / "manifest.csv").rows) == len(manifest)


def test_dates_are_shifted_and_intervals_kept(cohort: Path) -> None:
    by_eye: dict[tuple[str, str], list[np.datetime64]] = {}
    for row in rows(cohort / "manifest.csv"):
        by_eye.setdefault((row["patient_id"], row["eye"]), []).append(np.datetime64(row["visit_date"]))
    twice = [sorted(days) for days in by_eye.values() if len(days) == 2]
    assert twice
    assert {int((b - a).astype(int)) for a, b in twice} == {400}
    assert min(days[0] for days in by_eye.values()) < np.datetime64(FIRST_DAY)
    assert len({patient for patient, _ in by_eye}) == 12


def test_the_report_names_each_source_once_and_says_why(clinic: Path, cohort: Path) -> None:
    table = rows(cohort / "ingest.csv")
    listed = rows(cohort.parent / "cohort_sources.csv")
    n_files = sum(path.is_file() for path in clinic.rglob("*"))
    assert len(table) == n_files
    assert {row["number"] for row in table} == {row["number"] for row in listed}
    path = {row["number"]: row["path"] for row in listed}
    out = [(path[row["number"]], row["reason"]) for row in table if row["outcome"] == "left out"]
    reasons = {reason for name, reason in out if "scans OS" in name}
    assert reasons == {"its name or folder says the other eye than its header"}
    assert {reason for name, reason in out if "late.dcm" in name} == {"no visual field of this eye within the window"}
    (first,) = {row["outcome"] for row in table if row["outcome"].startswith("part of")}
    assert next(row["outcome"] for row in table if row["number"] == first.removeprefix("part of ")) == "paired"
    assert sum(row["outcome"] == first for row in table) == 15
    report = (cohort / "ingest_report.md").read_text(encoding="utf-8")
    assert all(reason in report for _, reason in out)


def test_no_identifier_in_anything_that_is_left(
    cohort: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Ingest, train, infer; copies, reports, models, checkpoints, cache, logs and tracking are searched by the byte."""
    torch.set_num_threads(1)
    manifest = str(cohort / "manifest.csv")
    database = tmp_path / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    execute(workflow(
        "train", "train.yaml", manifest=manifest, max_epochs=2, rho_warmup_epochs=1, contrast_warmup_epochs=1,
        output_dir=str(tmp_path / "runs" / "run"), tracking_uri=f"sqlite:///{database}", run_name="ingested",
        cache_dir=str(tmp_path / "cache"), **SMALL,
    ))  # fmt: skip
    execute(workflow(
        "infer", "inference.yaml", manifest=manifest, ckpt_path=str(tmp_path / "runs" / "run" / "model.pt"),
        output_dir=str(tmp_path / "inference"), **{key: SMALL[key] for key in ("oct_grid", "fundus_size")},
    ))  # fmt: skip
    predictions = Predictions.from_csv(tmp_path / "inference" / "predictions.csv")
    assert len(predictions) == len(rows(cohort / "manifest.csv"))
    assert np.isfinite(predictions.pred_db["fundus"]).all()
    assert list((tmp_path / "cache").glob("??/*.eye"))
    assert leaks(cohort, tmp_path) == []
    printed = capfd.readouterr()
    said = (printed.out + printed.err + caplog.text).lower()
    assert [word for word in canaries() if word.decode().lower() in said] == []


def test_a_second_run_copies_nothing_and_says_the_same(
    clinic: Path, cohort: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in cohort.rglob("*.npz")}
    texts = {name: (cohort / name).read_bytes() for name in ("manifest.csv", "ingest.csv", "ingest_report.md")}
    main([str(clinic), "--out", str(cohort), "--jobs", "1"])
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in cohort.rglob("*.npz")}
    assert texts == {name: (cohort / name).read_bytes() for name in texts}
    printed = "".join(capfd.readouterr())
    assert re.search(r"\d+ examinations", printed)
    assert [word for word in canaries() if word.decode() in printed] == []
