"""The application with the real SDK: DICOM in, JSON out, the same figures as the predictor's, and nothing personal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.deploy.monai_deploy.model_file import write_model_file
from bundle.deploy.predictor import Predictor

pytest.importorskip(
    "monai.deploy.core", reason="needs the MONAI Deploy App SDK, in its own environment: requirements-deploy.txt"
)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def model_file(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model_file(model_folder, tmp_path_factory.mktemp("ts") / "model.ts")


def run_app(patient: Path, model: Path, out: Path) -> subprocess.CompletedProcess[str]:
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "bundle.deploy.monai_deploy.app"]
    command += ["-i", str(patient), "-o", str(out), "-m", str(model)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_both_eyes_are_answered_as_by_the_predictor(
    patient: Path, model_file: Path, model_folder: Path, tmp_path: Path
) -> None:
    done = run_app(patient, model_file, tmp_path / "out")
    assert done.returncode == 0, done.stderr[-2000:]
    found = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}
    predictor = Predictor(model_folder)
    expected = {
        "OD": predictor.predict(oct=str(patient / "a.dcm"), fundus=str(patient / "b.dcm")),
        "OS": predictor.predict(oct=str(patient / "c.dcm")),
    }
    assert found.keys() == expected.keys()
    for eye, answer in expected.items():
        assert found[eye].keys() == answer.keys()
        for key, value in answer.items():
            assert found[eye][key] == (pytest.approx(value, abs=1e-3) if isinstance(value, float) else value)
    for text in (done.stdout, done.stderr, json.dumps(found)):
        assert "CANARY" not in text
        assert str(patient) not in text


def test_a_mistake_is_one_line_and_leaves_no_answer(patient: Path, model_file: Path, tmp_path: Path) -> None:
    (patient / "d.dcm").write_bytes((patient / "c.dcm").read_bytes())
    done = run_app(patient, model_file, tmp_path / "out")
    assert done.returncode == 2
    assert "second oct image of OS" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_image_is_told_by_its_eye_alone(patient: Path, model_file: Path, tmp_path: Path) -> None:
    (patient / "c.dcm").write_bytes((patient / "c.dcm").read_bytes()[:-100])
    done = run_app(patient, model_file, tmp_path / "out")
    assert done.returncode == 2
    assert "error: OS: found " in done.stderr
    assert "CANARY" not in done.stdout + done.stderr
    assert str(patient) not in done.stdout + done.stderr
