"""Tables: metrics over pooled folds, the mean predictor, what is missing."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from bundle.comparison import collect, plan_cells, read_eyes, write_cohorts, write_comparison
from bundle.comparison.methods.catalogue import MEAN_PREDICTOR
from bundle.comparison.outcome.report import compared
from bundle.reporting.scores import Run
from tests.comparison.conftest import SECRET, finish


def finished(one, biases=None, skip=()):
    cohorts = write_cohorts(one, read_eyes(one))
    cells = plan_cells(one, cohorts)
    for cell in cells:
        if cell.name not in skip:
            finish(cell, (biases or {}).get((cell.method, cell.seed), 1.0))
    return cells, cohorts


def table(one):
    with (one.out / "results.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_folds_are_pooled_over_all_eyes(study):
    one = study(folds=3, seeds=(0, 1))
    cells, cohorts = finished(one)
    found = collect(cells, cohorts, "out")
    for seed in (0, 1):
        assert sorted(found.runs[Run("concat", "out", seed)].row) == list(range(2, 41))


def test_seed_without_all_its_folds_is_left_out(study):
    one = study(folds=3, seeds=(0, 1))
    cells, cohorts = finished(one, skip=("concat, seed 1, fold 2",))
    found = collect(cells, cohorts, "out")
    assert Run("concat", "out", 1) not in found.runs
    assert Run("oct_only", "out", 1) in found.runs
    assert [cell.name for cell in found.missing] == ["concat, seed 1, fold 2"]


@pytest.mark.parametrize("folds", [None, 3])
def test_mean_predictor_answers_each_folds_train_mean(study, folds):
    one = study(folds=folds)
    cells, cohorts = finished(one)
    mean = collect(cells, cohorts, "out").runs[Run(MEAN_PREDICTOR, "out", 0)]
    for cohort in cohorts:
        by_split = {name: [c.md_db for c in cohort.cohort.rows if c.split == name] for name in ("train", "test")}
        rows = [c.row for c in cohort.cohort.rows if c.split == "test"]
        np.testing.assert_allclose(mean.answer_db[np.isin(mean.row, rows)], np.mean(by_split["train"]))


def test_ratio_difference_and_seeds_are_those_of_the_answers(study):
    one = study(seeds=(0, 1))
    cells, cohorts = finished(one, {("oct_only", 0): 1.0, ("oct_only", 1): 3.0, ("concat", 0): 2.0, ("concat", 1): 2.0})
    found = collect(cells, cohorts, "out")
    rows = {row.method: row for row in compared(one, found, "ratio")}
    assert rows["oct_only"].summaries["mse"].mean == pytest.approx((1 + 9) / 2, abs=1e-5)
    assert rows["oct_only"].summaries["mse"].standard_error == pytest.approx(4.0, abs=1e-5)
    assert rows["oct_only"].versus.value == pytest.approx(5 / 4, abs=1e-5)
    assert rows["concat"].versus is None
    difference = {row.method: row for row in compared(one, found, "difference")}
    assert difference["oct_only"].versus.value == pytest.approx(5 - 4, abs=1e-5)
    assert next(iter(rows)) == MEAN_PREDICTOR


def test_reference_is_a_choice(study):
    one = study(reference="oct_only")
    cells, cohorts = finished(one, {("concat", 0): 2.0})
    rows = {row.method: row for row in compared(one, collect(cells, cohorts, "out"), "ratio")}
    assert rows["concat"].versus.value == pytest.approx(4.0, abs=1e-5)


def test_page_is_written_even_when_the_reference_failed(study):
    one = study()
    cells, cohorts = finished(one, skip=("concat, seed 0",))
    text = write_comparison(one, cohorts, collect(cells, cohorts, "out"), "the command")
    assert f"MSE ÷ {MEAN_PREDICTOR}" in text
    assert "- concat, seed 0: not begun" in (one.out / "comparison.md").read_text(encoding="utf-8")


def test_tidy_table_has_every_cell_the_pooled_figures_and_the_costs(study):
    one = study(folds=2)
    cells, cohorts = finished(one)
    write_comparison(one, cohorts, collect(cells, cohorts, one.name), "the command")
    rows = table(one)
    mse = {(r["method"], r["fold"], r["split"]): r for r in rows if r["metric"] == "mse"}
    assert {(r["cohort"], r["epochs_limit"], r["recalibration"]) for r in rows} == {("out", str(one.max_epochs), "")}
    assert set(mse) == {
        (method, fold, split)
        for method in ("oct_only", "concat")
        for fold, split in (("0", "test"), ("1", "test"), ("0", "validation"), ("1", "validation"), ("all", "test"))
    } | {(MEAN_PREDICTOR, "", "test")}
    assert float(mse["concat", "all", "test"]["value"]) == pytest.approx(1.0, abs=1e-5)
    assert float(mse["concat", "0", "validation"]["value"]) == 4.0
    assert (mse["concat", "0", "test"]["gradient_evaluations"], mse["concat", "all", "test"]["seconds"]) == ("12", "4")


def test_page_says_how_it_was_made_and_names_nobody(study):
    one = study()
    cells, cohorts = finished(one)
    write_comparison(one, cohorts, collect(cells, cohorts, one.name), "python -m scripts.compare --x")
    page = (one.out / "comparison.md").read_text(encoding="utf-8")
    for part in (
        "python -m scripts.compare --x",
        "cores",
        "torch ",
        "commit abc",
        "seeds 0",
        "left out",
        "Gradient eval",
    ):
        assert part in page
    assert (one.out / "comparison.png").stat().st_size > 5000
    for path in one.out.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
