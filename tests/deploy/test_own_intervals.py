"""Intervals fitted anew on eyes of another clinic."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bundle.data import Cohort
from bundle.deploy.intervals import INTERVALS, intervals_of
from bundle.deploy.model_folder import load_model, save_model
from bundle.deploy.own_intervals import fit_own_intervals, predict_cohort
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError
from bundle.metrics import fit_prediction_interval
from scripts import fit_intervals
from tests.deploy.export.conftest import GRID
from tests.deploy.toy_intervals import DESCRIBED
from tests.toy import toy_regressor, write_cohort

N_PATIENTS, LEVEL = 12, 0.7  # 6 patients are needed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, toy_regressor().eval(), {"version": "0.0.1", **GRID, **DESCRIBED, "cohort_digest": "c" * 64})
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("clinic"), N_PATIENTS, missing={1: "oct", 2: "fundus"})


def test_answers_are_those_of_the_predictor_eye_by_eye(model: Path, manifest: Path) -> None:
    predictor = Predictor(model)
    found = predict_cohort(predictor, Cohort(manifest, labels="optional"))
    assert len(found) == N_PATIENTS
    for i in range(N_PATIENTS):
        oct, fundus = (manifest.parent / f"{kind}{i}.{ext}" for kind, ext in (("oct", "npz"), ("fundus", "png")))
        paths = {"oct": None if i == 1 else str(oct), "fundus": None if i == 2 else str(fundus)}
        one = predictor.predict(**paths, eye="OD")
        assert found.answer_db[i] == pytest.approx(one["md_db"], abs=1e-3)
        assert found.modalities[i] == "+".join(one["modalities"])
        assert [found.low_db[i], found.high_db[i]] == pytest.approx(one["interval_db"], abs=2e-3)


def test_the_new_folder_has_intervals_of_these_eyes_and_else_the_same_model(
    model: Path, manifest: Path, tmp_path: Path
) -> None:
    predictor, cohort = Predictor(model), Cohort(manifest, labels="optional")
    present = fit_own_intervals(predictor, cohort, tmp_path / "out", LEVEL)
    eyes = predict_cohort(predictor, cohort)
    assert present is not None
    assert present.level == 0.9
    inside = (eyes.low_db <= eyes.label_db) & (eyes.label_db <= eyes.high_db)
    assert present.rows[0].inside.value == pytest.approx(inside.mean())
    network, description = load_model(tmp_path / "out")
    old = json.loads((model / "model.json").read_text())
    assert {k: v for k, v in description.items() if k != INTERVALS} == {k: v for k, v in old.items() if k != INTERVALS}
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), predictor.network.parameters(), strict=True))
    assert description[INTERVALS]["cohort_digest"] == cohort.digest
    assert description[INTERVALS]["eyes"] == N_PATIENTS
    here = np.isfinite(eyes.pred_db["oct"])
    expected = fit_prediction_interval(
        eyes.pred_db["oct"][here], eyes.label_db[here], eyes.patient[here], LEVEL, (-35.0, 5.0)
    )
    assert intervals_of(description)["oct"] == expected


def test_what_would_not_be_honest_or_not_be_possible_is_refused(model: Path, manifest: Path, tmp_path: Path) -> None:
    predictor, cohort = Predictor(model), Cohort(manifest, labels="optional")
    with pytest.raises(InputError, match="exists already"):
        fit_own_intervals(predictor, cohort, tmp_path, LEVEL)
    with pytest.raises(InputError, match=r"too few patients for intervals that hold 0\.9"):
        fit_own_intervals(predictor, cohort, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    unlabelled = manifest.read_text().splitlines()
    column = unlabelled[0].split(",").index("md_db")
    rows = [",".join("" if i == column else cell for i, cell in enumerate(row.split(","))) for row in unlabelled[1:]]
    path = manifest.with_name("unlabelled.csv")
    path.write_text("\n".join([unlabelled[0], *rows]) + "\n")
    with pytest.raises(InputError, match="no eye with md_db"):
        predict_cohort(predictor, Cohort(path, labels="optional"))


@pytest.mark.parametrize(
    ("seen", "split", "refused"),
    [
        ({}, "all", False),
        ({"cohort_digest": "same"}, "all", True),
        ({"eyes_digest": "same"}, "all", True),
        ({"eyes_digest": "same"}, "test", True),
        ({"eyes_digest": "same", "cohort_digest": "same"}, "train", True),
        ({"eyes_digest": "same", "cohort_digest": "same"}, "test", False),
    ],
)
def test_eyes_that_trained_the_model_are_refused(
    model: Path, manifest: Path, tmp_path: Path, seen: dict[str, str], split: str, refused: bool
) -> None:
    predictor, cohort = Predictor(model), Cohort(manifest, labels="optional", fractions=(0.1, 0.1, 0.8))
    digests = {"cohort_digest": cohort.digest, "eyes_digest": cohort.eyes_digest}
    predictor.description |= {name: digests[name] for name in seen}
    if refused:
        with pytest.raises(InputError, match="trained on some of these eyes"):
            fit_own_intervals(predictor, cohort, tmp_path / "out", 0.3, split)
    else:
        fit_own_intervals(predictor, cohort, tmp_path / "out", 0.3, split)
    assert (tmp_path / "out").exists() != refused


def test_the_command(
    model: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clinic"
    arguments = ["--model", str(model), "--manifest", str(manifest), "--out", str(out), "--level", str(LEVEL)]
    monkeypatch.setattr(sys, "argv", ["fit_intervals", *arguments])
    fit_intervals.main()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("present 90 % intervals: ")
    assert f"of {N_PATIENTS} eyes inside" in first
    assert second == f"{out}: the model with intervals of these eyes"
    assert Predictor(out).predict(fundus=str(manifest.parent / "fundus0.png"), eye="OD")["interval_level"] == LEVEL
