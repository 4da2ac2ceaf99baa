"""Every method with and without recalibration, fitted on its own training's validation eyes."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from bundle.comparison import collect, plan_cells, read_eyes, write_cohorts, write_comparison
from bundle.comparison.methods.catalogue import MEAN_PREDICTOR
from bundle.comparison.planning.plan import PREDICTIONS_FILE
from bundle.metrics import fit_recalibration
from bundle.reporting import Predictions, Run
from tests.comparison.conftest import finish


@pytest.fixture
def many(study, tmp_path):
    """A study of 280 patients, two eyes each."""
    lines = ["patient_id,eye,oct,fundus,md_db"]
    (tmp_path / "many").mkdir()
    for i, md_db in enumerate(-20 * np.random.default_rng(0).random(560)):
        lines.append(f"p{i // 2},{('OD', 'OS')[i % 2]},many/{i}.npz,many/{i}.png,{md_db}")
        for kind in ("npz", "png"):
            (tmp_path / "many" / f"{i}.{kind}").write_bytes(b"%d" % i)
    path = tmp_path / "many.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lambda **changes: study(**{"manifest": path, **changes})


def shrunken(one, skip=()):
    """Finished cells: each method halves the distance to -10 dB and adds noise; of validation `skip` of them lack."""
    cohorts = write_cohorts(one, read_eyes(one))
    cells = plan_cells(one, cohorts)
    for cell in cells:
        finish(cell)
        path = cell.folder / PREDICTIONS_FILE
        eyes = Predictions.from_csv(path)
        noise = np.random.default_rng([cell.seed, cell.fold or 0]).normal(0, 0.5, (3, len(eyes)))
        answers = dict(zip(eyes.pred_db, -10 + 0.5 * (eyes.label_db + 10) + noise, strict=True))
        eyes = replace(eyes, pred_db=answers)
        if cell.name in skip:
            eyes = eyes.select(eyes.split == "test")
        eyes.to_csv(path)
    return cells, cohorts, collect(cells, cohorts, one.name)


@pytest.mark.parametrize("folds", [None, 4])
def test_fit_is_of_validation_eyes_fold_by_fold(many, folds):
    one = many(folds=folds, seeds=(0, 1))
    cells, cohorts, found = shrunken(one)
    assert set(found.recalibrated) == set(found.runs) - {Run(MEAN_PREDICTOR, one.name, seed) for seed in (0, 1)}
    for cell in cells:
        cohort = next(c.cohort for c in cohorts if c.fold == cell.fold)
        eyes = Predictions.from_csv(cell.folder / PREDICTIONS_FILE)
        validation, test = eyes.of_split("validation"), eyes.of_split("test")
        fit = fit_recalibration(validation.pred_db, validation.label_db, cohort.md_mean_db, cohort.md_sd_db)
        whole = found.recalibrated[Run(cell.method, one.name, cell.seed)]
        rows = dict(zip(whole.row, whole.answer_db, strict=True))
        np.testing.assert_array_equal([rows[row] for row in test.row], fit.apply(test.pred_db)["oct+fundus"])
    assert set(whole.split) == {"test"}


def test_test_labels_are_not_looked_at(many):
    one = many()
    cells, cohorts, found = shrunken(one)
    run = Run("concat", one.name, 0)
    before = found.recalibrated[run].answer_db
    path = next(cell.folder / PREDICTIONS_FILE for cell in cells if cell.method == "concat")
    eyes = Predictions.from_csv(path)
    replace(eyes, label_db=np.where(eyes.split == "test", 0.0, eyes.label_db)).to_csv(path)
    np.testing.assert_array_equal(collect(cells, cohorts, one.name).recalibrated[run].answer_db, before)


def test_seed_with_a_fold_that_cannot_be_recalibrated_is_left_out(many):
    _, _, found = shrunken(many(folds=4, seeds=(0, 1)), skip=("concat, seed 1, fold 2",))
    assert {run.seed for run in found.recalibrated if run.method == "concat"} == {0}
    assert {run.seed for run in found.runs if run.method == "concat"} == {0, 1}


def test_page_and_tidy_table_have_both(many):
    one = many(seeds=(0, 1))
    _, cohorts, found = shrunken(one)
    write_comparison(one, cohorts, found, "command")
    with (one.out / "results.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "mse" and row["split"] == "test"]
    value = {(row["method"], row["seed"], row["recalibration"]): float(row["value"]) for row in rows}
    assert len(value) == len(rows) == 2 * 2 * 2 + 2
    for seed in ("0", "1"):
        assert value["concat", seed, "ridge"] < 0.2 * value["concat", seed, ""]
    page = (one.out / "comparison.md").read_text(encoding="utf-8")
    assert "recalibrated ÷ concat [95 % CI]" in page
    assert "recalibrated − concat [95 % CI]" in page
    assert "Recalibration is off" not in page


def test_page_says_when_there_are_too_few_validation_eyes(study):
    one = study()
    _, cohorts, found = shrunken(one)
    assert found.recalibrated == {}
    write_comparison(one, cohorts, found, "command")
    page = (one.out / "comparison.md").read_text(encoding="utf-8")
    n_eyes = len(cohorts[0].cohort.items("validation"))
    assert f"Recalibration is off: there are {n_eyes} validation eyes" in page
    assert "recalibrated ÷" not in page
