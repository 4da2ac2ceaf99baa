"""Planned cells: every method gets the same seeds, eyes and settings; finished ones are skipped."""

from __future__ import annotations

import threading

import pytest

from bundle.comparison import Outcome, plan_cells, read_eyes, run_cells, write_cohorts
from bundle.comparison.planning.plan import plan_trials
from tests.comparison.conftest import finish, one_thread


@pytest.fixture
def cells(study):
    one = study(seeds=(0, 1), folds=2, epochs=4, settings={"lr": 0.5}, train_size=5)
    return plan_cells(one, write_cohorts(one, read_eyes(one)))


def test_one_cell_for_each_method_seed_and_fold(cells):
    expected = {(m, s, f) for m in ("oct_only", "concat") for s in (0, 1) for f in (0, 1)}
    assert {(cell.method, cell.seed, cell.fold) for cell in cells} == expected
    assert len(cells) == len({cell.folder for cell in cells}) == len({cell.name for cell in cells}) == 8
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4


def test_methods_differ_in_their_overlay_only(cells):
    a, b = cells[0], cells[1]
    assert a.overrides == b.overrides
    assert a.config_files[:-1] == b.config_files[:-1]
    assert a.config_files[-1].endswith("oct_only.yaml")
    assert (a.overrides["lr"], a.overrides["max_epochs"], a.overrides["train_size"]) == (0.5, 4, 5)


def test_epochs_are_the_configs_own_unless_given(study):
    one = study()
    assert "max_epochs" not in plan_cells(one, write_cohorts(one, read_eyes(one)))[0].overrides


def test_mean_predictor_needs_no_cell(study):
    one = study(methods=("mean", "concat"))
    assert {cell.method for cell in plan_cells(one, write_cohorts(one, read_eyes(one)))} == {"concat"}


def test_what_trials_chose_wins_over_the_settings_of_its_own_method_only(study):
    one = study(settings={"lr": 0.5, "batch_size": 4})
    cells = plan_cells(one, write_cohorts(one, read_eyes(one)), {"concat": {"lr": 0.25}})
    assert {cell.method: cell.overrides["lr"] for cell in cells} == {"oct_only": 0.5, "concat": 0.25}
    assert all(cell.overrides["batch_size"] == 4 for cell in cells)


def test_trials_are_rounds_on_the_first_fold_that_never_ask_for_test_eyes(study):
    one = study(folds=2, trials=2, trial_seed=77, epochs=9, trial_epochs=5)
    cohorts = write_cohorts(one, read_eyes(one))
    cells = plan_trials(one, cohorts, {"oct_only": [{}, {"lr": 0.1}], "concat": [{}, {"lr": 0.2}]})
    assert [cell.folder.name for cell in cells] == [
        "oct_only-trial1-fold0", "concat-trial1-fold0", "oct_only-trial2-fold0", "concat-trial2-fold0",
    ]  # fmt: skip
    for cell in cells:
        assert (cell.seed, cell.fold, cell.overrides["max_epochs"]) == (77, 0, 5)
        assert cell.overrides["manifest"] == str(cohorts[0].manifest.resolve())
        assert "'test'" not in str(cell.overrides["test#dataset#data"])
    assert [cell.overrides.get("lr") for cell in cells] == [None, None, 0.1, 0.2]
    assert cells[3].name == "concat, trial 2"


def test_every_cell_runs_once_and_a_second_time_none(cells):
    ran = []

    def runner(cell):
        ran.append(cell)
        return finish(cell)

    assert {o.cell for o in run_cells(cells, 2, runner, one_thread)} == set(cells)
    assert len(ran) == len(cells)
    assert list(run_cells(cells, 2, runner, one_thread)) == []
    assert len(ran) == len(cells)


def test_only_the_unfinished_cells_run_again(cells):
    list(run_cells(cells, 1, finish, one_thread))
    (cells[3].folder / "done.json").unlink()  # killed between its answers and its marker
    (cells[5].folder / "predictions.csv").unlink()
    assert {o.cell for o in run_cells(cells, 2, finish, one_thread)} == {cells[3], cells[5]}


def test_failing_cell_stops_no_other(cells):
    def runner(cell):
        return Outcome(cell, 0.0, "not finite") if cell is cells[2] else finish(cell)

    outcomes = list(run_cells(cells, 2, runner, one_thread))
    assert [o.cell for o in outcomes if o.error] == [cells[2]]
    assert [cell.done for cell in cells] == [cell is not cells[2] for cell in cells]


def test_jobs_run_side_by_side(cells):
    together = threading.Barrier(2, timeout=20)  # breaks unless two cells are inside at once

    def runner(cell):
        together.wait()
        return finish(cell)

    assert all(o.error is None for o in run_cells(cells, 2, runner, one_thread))


def test_leaving_early_starts_no_further_cell(cells):
    started = []

    def runner(cell):
        started.append(cell)
        return finish(cell)

    for _ in run_cells(cells, 1, runner, one_thread):
        break
    assert len(started) < len(cells)


def test_interrupt_in_a_cell_ends_the_run(cells):
    def runner(cell):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_cells(cells, 1, runner, one_thread))
