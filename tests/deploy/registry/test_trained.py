"""Which training a user means, and what is said when there is none."""

import os
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch

from bundle.deploy.registry.store import mlflow_store
from bundle.deploy.registry.trained import find_trained
from bundle.errors import InputError
from tests.deploy.registry.conftest import N_EYES, write_training


@pytest.fixture
def training(tmp_path: Path) -> Path:
    return write_training(tmp_path / "run", error_db=2.0)


def tracked(client: Any, folder: Path | None, status: str = "FINISHED") -> str:
    """The id of a run with a training's files among its artifacts."""
    found = client.get_experiment_by_name("trained")
    experiment_id = found.experiment_id if found else client.create_experiment("trained", folder and folder.as_uri())
    run_id = client.create_run(experiment_id, tags={"git_commit": "f" * 40}).info.run_id
    for path in sorted(folder.rglob("*.*")) if folder else []:
        relative = path.relative_to(folder).parent
        client.log_artifact(run_id, str(path), None if relative == Path() else str(relative))
    client.set_terminated(run_id, status)
    return run_id


def test_a_folder_and_its_run_are_the_same_training(training: Path, client: Any, tmp_path: Path) -> None:
    run_id = tracked(client, training)
    by_folder, by_run = find_trained(str(training), client, tmp_path), find_trained(run_id, client, tmp_path)
    assert by_folder.figures == by_run.figures
    assert by_folder.figures.items() >= {"mse": 4.0, "oct_mse": 9.0, "fundus_mse": 16.0}.items()
    assert by_folder.test_eyes == by_run.test_eyes
    assert by_folder.n_test_eyes == N_EYES
    assert by_folder.run is None
    assert by_run.run is not None
    assert by_run.run.info.run_id == run_id
    torch.save({"MLflowTrackingHandler": {"run_id": "0" * 32}}, checkpoint(training, 9))
    torch.save({"MLflowTrackingHandler": {"run_id": run_id}}, checkpoint(training, 10))
    linked = find_trained(str(training), client, tmp_path).run
    assert linked is not None
    assert linked.info.run_id == run_id


def checkpoint(training: Path, epoch: int) -> Path:
    (training / "checkpoints").mkdir(exist_ok=True)
    return training / "checkpoints" / f"checkpoint_epoch={epoch}.pt"


def test_other_test_eyes_have_another_digest(training: Path, client: Any, tmp_path: Path) -> None:
    other = write_training(tmp_path / "other", error_db=2.0, first_row=3)
    better = write_training(tmp_path / "better", error_db=1.0)
    digests = [find_trained(str(folder), client, tmp_path).test_eyes for folder in (training, other, better)]
    assert digests[0] == digests[2] != digests[1]


def test_what_is_no_finished_training_is_refused_in_one_line(training: Path, client: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    untested = write_training(tmp_path / "untested", error_db=2.0)
    (untested / "test" / "metrics.json").unlink()
    cases = {
        "eval/lastest": "neither a folder nor a run id",
        str(tmp_path / "empty"): "no model.json",
        str(untested): "no test/metrics.json; expected a training that ended",
        "0" * 32: "no run 0{32} in this store",
        tracked(client, None, "FAILED"): "FAILED; expected FINISHED",
        tracked(client, None): "no model.json",
    }
    for given, match in cases.items():
        with pytest.raises(InputError, match=match) as caught:
            find_trained(given, client, tmp_path / "empty")
        assert "\n" not in str(caught.value)


# ---- the store -----------------------------------------------------------------------------------------------------


def open_store(uri: str) -> None:
    with mlflow_store(uri) as client:
        client.search_experiments()


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        ("sqlite:///absent/mlflow.db", "no database absent/mlflow.db"),
        ("nonsense://host", "no address that starts with"),
        ("eval/mlflow.db", "no address that starts with"),
        ("mysql+absent_driver://user:SECRET@127.0.0.1/mlflow", "no address that starts with"),
        ("http://127.0.0.1:9", "MLflow says: .*check --tracking-uri"),
        ("mysql+absentdriver://user:SECRET@127.0.0.1/mlflow", "tracking: "),
    ],
)
def test_a_store_that_does_not_answer_is_one_line_without_its_password(
    uri: str, match: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_MAX_RETRIES", "0")
    with pytest.raises(InputError, match=match) as caught:
        open_store(uri)
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exported", [None, "sqlite:///of_the_user.db"])
def test_a_store_leaves_the_environment_as_it_was(
    exported: str | None, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if exported:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", exported)
    with mlflow_store(database, create=True) as client:
        client.search_experiments()
    assert os.environ.get("MLFLOW_TRACKING_URI") == exported
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///set_later.db")
    assert mlflow.get_tracking_uri() == "sqlite:///set_later.db"
