"""`scripts.grape_baselines`: a table, and predictions whose folds are the manifest's own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import r2_score

from bundle.data import k_fold, read_manifest
from bundle.errors import InputError
from scripts import grape_baselines, prepare_grape
from tests.data.adapters.grape_folder import baseline_row, small_grape, write_grape


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    source = small_grape(folder / "grape", patients=12)
    prepare_grape.main(["--source", str(source), "--out", str(folder / "out"), "--oct-shape", "8", "16", "8"])
    return folder / "out" / "manifest.csv"


def _run(manifest: Path, out: Path, *options: str) -> list[dict[str, str]]:
    grape_baselines.main(["--manifest", str(manifest), "--folds", "3", "--repeats", "2", "--out", str(out), *options])
    with out.open() as file:
        return list(csv.DictReader(file))


def test_predictions_are_out_of_fold_on_the_manifests_own_folds(cohort, tmp_path):
    lines = _run(cohort, tmp_path / "p.csv")
    folds = {repeat: k_fold(read_manifest(cohort), 3, seed=repeat) for repeat in (0, 1)}
    assert len(lines) == 24 * 2 * 6
    for line in lines:
        assert int(line["row"]) in folds[int(line["repeat"])][int(line["fold"])][1]


def test_rnfl_that_follows_the_field_is_found_and_printed(cohort, tmp_path, capsys):
    lines = _run(cohort, tmp_path / "p.csv")
    used = [line for line in lines if line["method"] == "ridge rnfl"]
    r2 = np.mean(
        [
            r2_score(
                *([float(line[key]) for line in used if line["repeat"] == repeat] for key in ("label_db", "pred_db"))
            )
            for repeat in ("0", "1")
        ]
    )
    assert r2 > 0.9
    shown = capsys.readouterr().out
    assert f"| ridge rnfl | {r2:.2f} [" in shown
    assert "24 of 24 examinations (12 patients)" in shown
    assert "target mean_sensitivity_db" in shown


def test_eyes_without_a_feature_are_not_used(tmp_path, capsys):
    rows = [baseline_row(900 + k, "OD", **({"T": "/"} if k < 2 else {})) for k in range(8)]
    source = write_grape(tmp_path / "grape", rows, None, tuple(f"{900 + k}_OD_1.jpg" for k in range(8)))
    prepare_grape.main(["--source", str(source), "--out", str(tmp_path / "out"), "--oct-shape", "8", "16", "8"])
    lines = _run(tmp_path / "out" / "manifest.csv", tmp_path / "p.csv")
    assert "6 of 8 examinations" in capsys.readouterr().out
    assert {line["row"] for line in lines} == {str(row) for row in range(4, 10)}
    lines = _run(tmp_path / "out" / "manifest.csv", tmp_path / "p.csv", "--features", "photograph")
    assert len({line["row"] for line in lines}) == 8
    assert {line["method"] for line in lines} == {"mean", "ridge photograph"}


def test_cohort_without_the_feature_is_refused(tmp_path):
    source = write_grape(tmp_path / "grape", [baseline_row(900 + k, "OD") for k in range(4)])
    prepare_grape.main(["--source", str(source), "--out", str(tmp_path / "out"), "--oct-shape", "8", "16", "8"])
    with pytest.raises(InputError, match="no labelled row with rnfl and photograph"):
        _run(tmp_path / "out" / "manifest.csv", tmp_path / "p.csv")
