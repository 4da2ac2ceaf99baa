"""The MLflow database exists before the first cell starts, so that cells do not race to create it."""

from __future__ import annotations

import sqlite3

import pytest

from bundle.comparison import plan_cells, read_eyes, write_cohorts
from bundle.comparison.tracking import prepare_tracking


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def cell(one):
    return plan_cells(one, write_cohorts(one, read_eyes(one)))[0]


def test_database_has_its_tables(study, tmp_path):
    path = tmp_path / "new" / "mlflow.db"
    prepare_tracking(cell(study(tracking=True, settings={"tracking_uri": f"sqlite:///{path}"})))
    with sqlite3.connect(path) as database:
        assert ("experiments",) in database.execute("SELECT name FROM sqlite_master").fetchall()


def test_server_is_left_alone(study):
    prepare_tracking(cell(study(tracking=True, settings={"tracking_uri": "http://127.0.0.1:9"})))


def test_environment_wins(study, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mine.db'}")
    prepare_tracking(cell(study(tracking=True, settings={"tracking_uri": f"sqlite:///{tmp_path / 'other.db'}"})))
    assert (tmp_path / "mine.db").exists()
    assert not (tmp_path / "other.db").exists()


def test_cells_log_only_when_asked_and_all_under_one_experiment(study):
    assert cell(study()).overrides["use_mlflow"] is False
    overrides = cell(study(tracking=True)).overrides
    assert (overrides["use_mlflow"], overrides["experiment_name"]) == (True, "compare-out")
