"""Trials: an equal budget, drawn reproducibly, judged on validation, and a choice that stands."""

from __future__ import annotations

import pytest

from bundle.comparison import Outcome, plan_studies, run_studies
from bundle.comparison.methods.catalogue import TRAIN_CONFIG
from bundle.comparison.methods.overlays import read_values
from bundle.comparison.planning.trials import trial_settings
from bundle.comparison.planning.tuning import TuningRow, read_tuning, write_tuning
from bundle.errors import InputError
from bundle.reporting import Predictions
from tests.comparison.conftest import finish, one_thread

LR = read_values(TRAIN_CONFIG)["lr"]


@pytest.fixture
def tuned(study, methods_folder):
    """Two methods, one with a knob, three trials each."""
    (methods_folder / "plain.yaml").write_text("rho: 0.0\n")
    (methods_folder / "knobbed.yaml").write_text("about: {knob: {key: rho, values: [0.0, 0.1, 0.2]}}\nrho: 0.1\n")

    def make(**settings):
        return study(**{"methods": ("plain", "knobbed"), "reference": "plain", "trials": 3, **settings})

    return make


def run(one, runner):
    return run_studies(plan_studies([one]), 1, runner, one_thread)[0]


def scored(scores):
    """A runner with a given bias for each (method, trial); None fails."""

    def runner(cell):
        bias = scores.get((cell.method, cell.trial), 1.0)
        return Outcome(cell, 0.1, "not finite") if bias is None else finish(cell, bias)

    return runner


def test_first_trial_is_the_default_and_no_setting_is_tried_twice(tuned):
    tried = trial_settings(tuned(trials=15), "knobbed")  # 5 rates x 3 knob values
    assert tried[0] == {}
    pairs = {(one["lr"], one["rho"]) for one in tried[1:]}
    assert pairs == {(LR * f, rho) for f in (0.25, 0.5, 1, 2, 4) for rho in (0.0, 0.1, 0.2)} - {(LR, 0.1)}


def test_method_without_a_knob_tries_learning_rates_around_the_configured_one(tuned):
    tried = trial_settings(tuned(trials=5, settings={"lr": 0.4}), "plain")
    assert {one["lr"] for one in tried[1:]} == {0.1, 0.2, 0.8, 1.6}
    assert all(set(one) == {"lr"} for one in tried[1:])


def test_draw_depends_on_the_method_and_the_seed_alone(tuned, methods_folder):
    first = trial_settings(tuned(trials=9), "knobbed")
    assert trial_settings(tuned(trials=9, seeds=(4, 5), methods=("knobbed",), reference="mean"), "knobbed") == first
    assert trial_settings(tuned(trials=4), "knobbed") == first[:4]
    assert trial_settings(tuned(trials=9, trial_seed=1), "knobbed") != first
    (methods_folder / "twin.yaml").write_text((methods_folder / "knobbed.yaml").read_text())
    assert trial_settings(tuned(trials=9), "twin") != first


def test_budget_that_a_method_cannot_spend_is_refused(tuned):
    with pytest.raises(InputError, match="--trials: found 6, expected at most 5: 'plain'"):
        plan_studies([tuned(trials=6)])
    plan_studies([tuned(trials=6, lr_factors=(0.25, 0.5, 1.0, 2.0, 4.0, 8.0))])


def test_one_trial_tunes_nothing(tuned):
    ended = run(tuned(trials=1), finish)
    assert ended.planned.trials == []
    assert read_tuning(ended.planned.study.out) == []


def test_best_validation_error_decides_and_reaches_every_final_training(tuned):
    one = tuned(seeds=(0, 1))
    ended = run(one, scored({("plain", 1): 3.0, ("plain", 2): 2.0, ("plain", 3): 0.5, ("knobbed", 1): 0.5}))
    third = trial_settings(one, "plain")[2]["lr"]
    lr = {(cell.method, cell.seed): cell.overrides.get("lr") for cell in ended.cells}
    assert lr == {("plain", 0): third, ("plain", 1): third, ("knobbed", 0): None, ("knobbed", 1): None}
    rows = {(row.method, row.trial): row for row in read_tuning(one.out)}
    assert [key for key, row in rows.items() if row.chosen] == [("plain", 3), ("knobbed", 1)]
    assert rows["plain", 3].val_mse == pytest.approx(4 * 0.25)
    assert rows["plain", 3].lr == pytest.approx(third)
    assert (rows["knobbed", 1].knob, rows["knobbed", 1].knob_value) == ("rho", "0.1")


def test_trials_answer_no_test_eye(tuned):
    ended = run(tuned(), finish)
    for cell in ended.planned.trials:
        assert set(Predictions.from_csv(cell.folder / "predictions.csv").split) == {"validation"}


def test_failed_trial_is_never_chosen(tuned):
    one = tuned()
    ended = run(one, scored({("plain", 1): None, ("plain", 2): 2.0, ("plain", 3): 3.0}))
    rows = {row.trial: row for row in read_tuning(one.out) if row.method == "plain"}
    assert rows[2].chosen
    assert rows[1].val_mse != rows[1].val_mse
    assert ended.failed == 0


def test_choice_stands_when_the_command_is_given_again(tuned):
    one = tuned()
    run(one, scored({("plain", 1): None, ("plain", 2): 2.0, ("plain", 3): 3.0}))
    before = (one.out / "tuning.csv").read_bytes()
    asked = []
    ended = run(one, lambda cell: asked.append(cell) or finish(cell, 0.01))
    assert asked == []
    assert (one.out / "tuning.csv").read_bytes() == before
    assert ended.cells[0].overrides["lr"] == trial_settings(one, "plain")[1]["lr"]


def test_method_whose_trials_all_fail_has_no_final_training_and_the_others_go_on(tuned, capsys):
    one = tuned()
    ended = run(one, scored({("plain", number): None for number in (1, 2, 3)}))
    assert "failed: plain: each of its 3 trials failed" in capsys.readouterr().err
    assert ended.failed == 1
    assert {cell.method for cell in ended.cells if cell.done} == {"knobbed"}
    assert run(one, finish).failed == 0  # and is tried again


def test_stopped_between_its_trials_a_study_goes_on_with_the_rest(tuned):
    one = tuned()

    def stop(cell):
        if (cell.method, cell.trial) == ("plain", 2):
            raise KeyboardInterrupt
        return finish(cell)

    with pytest.raises(KeyboardInterrupt):
        run(one, stop)
    assert read_tuning(one.out) == []
    asked = []
    run(one, lambda cell: asked.append((cell.method, cell.trial)) or finish(cell))
    assert ("plain", 1) not in asked
    assert {("plain", 2), ("plain", 3), ("plain", None)} <= set(asked)


def test_method_that_joins_later_is_tuned_and_keeps_the_others_rows(tuned):
    run(tuned(methods=("plain",)), finish)
    run(tuned(), finish)
    assert [row.method for row in read_tuning(tuned().out)] == ["plain"] * 3 + ["knobbed"] * 3


def test_table_is_read_as_it_was_written(tmp_path):
    rows = [TuningRow("a", 1, 0.002, "", "", 4.5, True), TuningRow("b", 2, 0.001, "rho", "0.1", 3.0, False)]
    write_tuning(rows, tmp_path)
    assert read_tuning(tmp_path) == rows
    assert read_tuning(tmp_path / "none") == []


def test_trial_seed_that_is_also_a_final_one_is_refused(tuned):
    with pytest.raises(InputError, match="--trial-seed: found 1, expected a seed that no final"):
        tuned(seeds=(0, 1), trial_seed=1)
