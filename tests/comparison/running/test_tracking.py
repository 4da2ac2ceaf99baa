"""MLflow: one parent a study, one child a finished training, each once, and nothing that names a person or a folder."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bundle.comparison import claim_folder, collect, plan_cells, read_eyes, write_cohorts
from bundle.comparison.outcome.report import write_comparison
from bundle.comparison.running.tracked import tracking_uri
from bundle.comparison.running.tracking import METRICS_A_REQUEST, StudyTracking
from bundle.reporting import History
from tests.comparison.conftest import SECRET, finish


@pytest.fixture
def database(empty_database, tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(empty_database, tmp_path / "mlflow.db"))


@pytest.fixture
def tracked(study, database):
    """A study of two methods whose trainings are finished, and its cells."""

    def make(epochs: int = 2, **changes: object):
        settings = {"tracking_uri": f"sqlite:///{database}", "lr": 0.5, "train#trainer#max_grad_norm": 1.0}
        one = study(**{"tracking": True, "settings": settings, **changes})
        whole = read_eyes(one)
        claim_folder(one, whole.digest)
        cohorts = write_cohorts(one, whole)
        cells = plan_cells(one, cohorts)
        for cell in cells:
            finish(cell)
            rows = [{"epoch": e, "val_mse": 10.0 - e, "train_loss": 1 / e, "lr": None} for e in range(1, epochs + 1)]
            History(rows).to_csv(cell.folder / "run" / "history.csv")
        return one, cohorts, cells

    return make


def log(one, cells, paths=()) -> None:
    tracking = StudyTracking(one)
    tracking.open()
    for cell in cells:
        tracking.log_cell(cell)
    tracking.close(paths)


def runs(database, name="compare-out"):
    """The parents and the children."""
    client = MlflowClient(f"sqlite:///{database}")
    found = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    return [[run for run in found if ("compare.cell" in run.data.tags) is child] for child in (False, True)]


def steps(database, run, metric) -> list[tuple[int, float]]:
    history = MlflowClient(f"sqlite:///{database}").get_metric_history(run.info.run_id, metric)
    return [(one.step, one.value) for one in history]


def test_a_child_for_each_training_under_one_parent(tracked, database):
    one, _, cells = tracked()
    log(one, cells)
    (parent,), children = runs(database)
    assert sorted(child.info.run_name for child in children) == ["concat, seed 0", "oct_only, seed 0"]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    expected = {"cohort": "out", "split_seed": "0", "set.lr": "0.5", "set.train.trainer.max_grad_norm": "1.0"}
    assert parent.data.params.items() >= expected.items()
    assert parent.data.tags["cohort_digest"] == read_eyes(one).digest
    assert parent.data.tags["methods"] == "oct_only concat"
    assert len(parent.data.tags["git_commit"]) == 40


def test_child_holds_its_settings_every_epoch_the_test_metrics_and_the_costs(tracked, database):
    one, _, cells = tracked()
    chosen = replace(cells[0], overrides={**cells[0].overrides, "modulator#alpha": 0.3})
    log(one, [chosen])
    child = runs(database)[1][0]
    assert child.data.params == {
        "method": "oct_only", "seed": "0", "fold": "None", "lr": "0.5", "modulator.alpha": "0.3"
    }  # fmt: skip
    assert steps(database, child, "val_mse") == [(1, 9.0), (2, 8.0)]
    assert child.data.metrics["test_mse"] == pytest.approx(1.0, abs=1e-5)
    assert (child.data.metrics["seconds"], child.data.metrics["gradient_evaluations"]) == (2.0, 12.0)
    assert child.data.metrics["chosen_val_mse"] == 4.0
    assert child.data.tags["git_commit"] == "abc"


def test_a_long_history_is_logged_whole(tracked, database):
    n = METRICS_A_REQUEST // 2 + 50
    one, _, cells = tracked(epochs=n)
    log(one, cells[:1])
    assert [step for step, _ in steps(database, runs(database)[1][0], "train_loss")] == list(range(1, n + 1))


def test_a_study_that_goes_on_makes_no_second_run(tracked, database):
    one, _, cells = tracked()
    log(one, cells[:1])
    log(replace(one, seeds=(0, 1)), cells)
    (parent,), children = runs(database)
    assert len(children) == 2
    assert parent.data.tags["seeds"] == "0 1"
    assert parent.info.status == "FINISHED"


def test_a_training_whose_logging_was_cut_off_is_logged_anew(tracked, database):
    one, _, cells = tracked()
    log(one, cells[:1])
    client = MlflowClient(f"sqlite:///{database}")
    client.update_run(runs(database)[1][0].info.run_id, status="RUNNING")
    log(one, cells[:1])
    (child,) = runs(database)[1]
    assert child.info.status == "FINISHED"
    assert steps(database, child, "val_mse") == [(1, 9.0), (2, 8.0)]


def test_a_new_study_in_the_place_of_a_deleted_one_gets_its_own_runs(tracked, database):
    one, _, cells = tracked()
    log(one, cells[:1])
    shutil.rmtree(one.out)
    one, _, cells = tracked()
    log(one, cells[:1])
    parents, children = runs(database)
    assert (len(parents), len(children)) == (2, 2)


def test_report_is_the_parents_and_no_person_or_folder_is_named(tracked, database, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "scripts.compare", "--manifest", str(tmp_path / "mine.csv")])
    one, cohorts, cells = tracked()
    command = f"python -m scripts.compare --manifest {tmp_path}/mine.csv"
    write_comparison(one, cohorts, collect(cells, cohorts, one.name), command)
    log(one, cells, sorted(path for path in one.out.iterdir() if path.is_file()))
    (parent,), children = runs(database)
    client = MlflowClient(f"sqlite:///{database}")
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"comparison.md", "comparison.png", "cost.png", "results.csv"}
    assert parent.data.tags["command"] == "python -m scripts.compare --manifest …/mine.csv"
    told = [str(run.data.to_dictionary()) for run in (parent, *children)]
    page = (one.out / "comparison.md").read_text(encoding="utf-8")
    for text in (*told, page):
        assert SECRET not in text
        assert str(tmp_path) not in text


def test_failure_is_one_line_and_the_study_goes_on(tracked, database, capsys):
    database.write_bytes(b"no database at all")
    one, _, cells = tracked()
    log(one, cells)
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: MLflow")]
    assert len(warnings) == 1
    assert warnings[0].endswith("going on without tracking")


def test_failure_in_the_middle_ends_the_tracking_only(tracked, database, capsys):
    one, _, cells = tracked()
    tracking = StudyTracking(one)
    tracking.open()
    (cells[0].folder / "run" / "history.csv").write_text("no epochs\n1\n")
    for cell in cells:
        tracking.log_cell(cell)
    tracking.close([])
    assert capsys.readouterr().err.count("warning: MLflow") == 1


def test_new_database_has_its_tables_and_the_environment_wins(study, tmp_path, monkeypatch):
    one = study(settings={"tracking_uri": f"sqlite:///{tmp_path / 'other.db'}"})
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(one).endswith("other.db")
    assert tracking_uri(study()).endswith("/eval/mlflow.db")
    path = tmp_path / "new" / "mine.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    monkeypatch.chdir(tmp_path)
    claim_folder(one, "digest")
    StudyTracking(one).open()
    with sqlite3.connect(path) as found:
        assert ("experiments",) in found.execute("SELECT name FROM sqlite_master").fetchall()
    assert not (tmp_path / "other.db").exists()
