"""MLflow: what a run holds, its identity, and what it must not hold."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Events
from mlflow.tracking import MlflowClient

from bundle.handlers import MLflowTrackingHandler
from tests.handlers.training import training


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for folder in ("db", "other"):
        (tmp_path / folder).mkdir()
        shutil.copy(empty_database, tmp_path / folder / "mlflow.db")
    return f"sqlite:///{tmp_path / 'db' / 'mlflow.db'}"


def tracked(uri: str, folder: Path, run_name: str = "first", enabled: bool = True, **settings: Any) -> Any:
    handler = MLflowTrackingHandler(
        str(folder),
        uri,
        "toy",
        run_name,
        params={"lr": 2e-3, "rho": 0.02},
        tags={"cohort_digest": "abc"},
        enabled=enabled,
    )
    return training(folder, values=[9.0, 8.0, 7.0, 6.0], extra_handlers=[handler], **settings)


def runs(uri: str) -> list[Any]:
    client = MlflowClient(uri)
    return client.search_runs([client.get_experiment_by_name("toy").experiment_id], order_by=["attributes.start_time"])


def steps(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in MlflowClient(uri).get_metric_history(run.info.run_id, metric)]


def test_a_run_holds_parameters_tags_metrics_and_files(uri: str, tmp_path: Path) -> None:
    trainer = tracked(uri, tmp_path / "run", max_epochs=2)
    trainer.add_event_handler(Events.STARTED, lambda engine: setattr(engine.state, "test_metrics", {"mse": 3.5}))
    trainer.run()
    (run,) = runs(uri)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    assert run.data.params.items() >= {"lr": "0.002", "rho": "0.02"}.items()
    assert run.data.tags["cohort_digest"] == "abc"
    assert len(run.data.tags["git_commit"]) == 40
    assert run.data.tags["git_changed"] in ("true", "false")
    ours = {"cohort_digest", "git_commit", "git_changed", "training_id"}
    assert run.data.tags.keys() == ours | {"mlflow.runName"}  # no user, no path
    assert steps(uri, run, "val_mse") == [(1, 9.0), (2, 8.0)]
    assert [step for step, _ in steps(uri, run, "k_oct")] == [1, 2]
    assert run.data.metrics["test_mse"] == 3.5
    files = {file.path for file in MlflowClient(uri).list_artifacts(run.info.run_id)}
    assert files >= {"model.pt", "model.json", "history.csv"}
    assert "checkpoints" not in files


def test_a_failed_training_is_marked_failed(uri: str, tmp_path: Path) -> None:
    trainer = tracked(uri, tmp_path / "run")

    @trainer.on(Events.ITERATION_COMPLETED(once=3))
    def fail() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.run()
    assert [run.info.status for run in runs(uri)] == ["FAILED"]


def test_a_resumed_training_goes_on_with_its_run_and_repeats_no_step(uri: str, tmp_path: Path) -> None:
    """The checkpoint is an epoch older than the last row that was logged."""
    tracked(uri, tmp_path / "run", max_epochs=3, save_interval=2).run()
    tracked(uri, tmp_path / "run", max_epochs=4, save_interval=2, resume=str(tmp_path / "run")).run()
    (run,) = runs(uri)
    assert run.info.status == "FINISHED"
    for metric in ("val_mse", "train_loss"):
        assert [step for step, _ in steps(uri, run, metric)] == [1, 2, 3, 4]


def test_two_trainings_are_two_runs_even_after_a_crash_of_the_same_name(uri: str, tmp_path: Path) -> None:
    crashing = tracked(uri, tmp_path / "a", max_epochs=1)
    crashing.add_event_handler(Events.ITERATION_COMPLETED, lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        crashing.run()
    tracked(uri, tmp_path / "b", max_epochs=1).run()
    assert [run.info.status for run in runs(uri)] == ["FAILED", "FINISHED"]


def test_a_checkpoint_whose_run_is_unknown_starts_a_new_one(uri: str, tmp_path: Path) -> None:
    tracked(uri, tmp_path / "run", max_epochs=1).run()
    other = f"sqlite:///{tmp_path / 'other' / 'mlflow.db'}"
    tracked(other, tmp_path / "run", max_epochs=2, resume=str(tmp_path / "run")).run()
    assert [steps(other, run, "val_mse") for run in runs(other)] == [[(1, 9.0), (2, 8.0)]]


def test_disabled_tracking_writes_nothing(uri: str, tmp_path: Path) -> None:
    absent = f"sqlite:///{tmp_path / 'nowhere' / 'mlflow.db'}"
    tracked(absent, tmp_path / "run", max_epochs=1, enabled=False).run()
    assert not (tmp_path / "nowhere").exists()
    assert MlflowClient(uri).get_experiment_by_name("toy") is None


def test_tracking_does_not_change_the_training(uri: str, tmp_path: Path) -> None:
    from tests.toy import largest_difference

    networks = []
    for enabled in (True, False):
        trainer = tracked(uri, tmp_path / f"run{enabled}", max_epochs=2, enabled=enabled)
        trainer.run()
        networks.append(trainer.network)
    assert largest_difference(*networks) == 0.0


def test_the_environments_server_wins(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = f"sqlite:///{tmp_path / 'other' / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    tracked(uri, tmp_path / "run", max_epochs=1).run()
    assert len(runs(other)) == 1
