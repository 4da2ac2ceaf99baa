"""Registering: whole and tagged, or nothing; refused when worse; nothing about a person or a machine."""

import getpass
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException

from bundle.deploy.model_folder import load_model
from bundle.deploy.registry.registration import register
from tests.deploy.registry.conftest import write_training

CANARY = "CANARY4711"


@pytest.fixture
def training(tmp_path: Path) -> Path:
    return write_training(tmp_path / "run", error_db=2.0)


def models_in(database: str) -> list[tuple]:
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        kept = connection.execute("SELECT model_id FROM logged_models WHERE lifecycle_stage = 'active'").fetchall()
        names = connection.execute("SELECT name FROM registered_models").fetchall()
        return [*kept, *names, *connection.execute("SELECT name, version FROM model_versions").fetchall()]


def test_a_registered_model_is_loaded_by_its_alias_and_answers_as_the_network(training: Path, client: Any) -> None:
    outcome = register(str(training), client, "champion", "first")
    assert outcome.version == "1"
    assert outcome.message == "registered first version 1; it is champion now"
    version = client.get_model_version_by_alias("first", "champion")
    assert (float(version.tags["test_mse"]), float(version.tags["test_oct_mse"])) == (4.0, 9.0)
    assert version.tags["cohort_digest"] == "c" * 64
    assert version.tags["weights_sha256"] == load_model(training)[1]["weights_sha256"]
    assert version.tags["bundle_version"] == "0.0.1"
    assert "Research only" in version.tags["intended_use"]
    assert "MSE 4.000 dB²" in version.description
    model = mlflow.pyfunc.load_model("models:/first@champion")
    example = model.metadata.load_input_example(mlflow.artifacts.download_artifacts("models:/first@champion"))
    tensors = [torch.from_numpy(np.asarray(example[key], np.float32)) for key in ("image", "fundus")]
    with torch.no_grad():
        expected = load_model(training)[0].predict_subsets(*tensors)[0].tolist()
    (found,) = model.predict({"image": tensors[0].numpy(), "fundus": tensors[1].numpy()})
    assert [found[name] for name in ("md_db", "md_oct_db", "md_fundus_db")] == pytest.approx(expected, abs=1e-5)
    assert {spec.name: spec.shape for spec in model.metadata.get_input_schema().inputs} == {
        "image": (-1, 1, 4, 16, 8),
        "fundus": (-1, 3, 16, 16),
    }
    assert model.metadata.get_output_schema().input_names() == [
        "md_db",
        "md_oct_db",
        "md_fundus_db",
        "interval_low_db",
        "interval_high_db",
        "interval_level",
        "stage",
        "model_version",
    ]


def test_a_version_names_its_logged_model_which_a_server_demands(
    training: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, given = client.create_model_version, {}

    def spy(name: str, source: str, *arguments: Any, **options: Any) -> Any:
        given.update(options, source=source)
        return create(name, source, *arguments, **options)

    monkeypatch.setattr(client, "create_model_version", spy)
    register(str(training), client, "champion", "named")
    assert given["source"] == f"models:/{given['model_id']}"


def test_every_requirement_is_pinned_and_needs_no_extra_index(training: Path, client: Any) -> None:
    register(str(training), client, "champion", "pinned")
    folder = Path(mlflow.artifacts.download_artifacts("models:/pinned@champion"))
    lines = (folder / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in lines} >= {"torch", "monai", "numpy", "mlflow"}
    assert all(line.count("==") == 1 and "+" not in line for line in lines)
    assert (folder / "code" / "bundle" / "networks" / "regressor.py").is_file()


def test_nothing_of_a_person_or_a_machine_is_in_the_model_and_its_tags(
    tmp_path: Path, client: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, CANARY)
    assert getpass.getuser() == CANARY
    folder = write_training(tmp_path / CANARY / "run", error_db=2.0)
    register(str(folder), client, "champion", "private")
    files = Path(mlflow.artifacts.download_artifacts("models:/private@champion"))
    searched = [path for path in files.rglob("*") if path.is_file()]
    assert len(searched) > 50
    for private in (CANARY, str(Path.home()) + os.sep, str(tmp_path), os.getcwd()):
        assert [path for path in searched if private.encode() in path.read_bytes()] == [], private
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        assert CANARY not in "\n".join(connection.iterdump())


def test_a_worse_model_is_refused_and_leaves_nothing_unless_forced(tmp_path: Path, client: Any, database: str) -> None:
    good = write_training(tmp_path / "good", error_db=2.0)
    worse = write_training(tmp_path / "worse", error_db=2.5, seed=1)
    elsewhere = write_training(tmp_path / "elsewhere", error_db=1.0, seed=2, first_row=9)
    register(str(good), client, "champion", "contest")
    there = models_in(database)
    outcome = register(str(worse), client, "champion", "contest")
    assert outcome.version is None
    assert "6.2500" in outcome.message
    assert "4.0000" in outcome.message
    outcome = register(str(elsewhere), client, "champion", "contest")
    assert outcome.version is None
    assert "another test set (its test eyes" in outcome.message
    assert register(str(good), client, "champion", "contest").message.endswith("nothing to do")
    assert models_in(database) == there
    assert register(str(worse), client, "champion", "contest", force=True).version == "2"
    assert str(client.get_model_version_by_alias("contest", "champion").version) == "2"
    assert register(str(good), client, "champion", "contest").version == "3"


def test_the_command_ends_with_1_when_it_refuses(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts import register_model

    for error_db, status in ((2.0, 0), (2.0, 0), (3.0, 1)):
        folder = str(write_training(tmp_path / str(error_db), error_db, seed=int(error_db)))
        options = ["--alias", "champion", "--name", "command", "--tracking-uri", database]
        monkeypatch.setattr(sys, "argv", ["register_model", folder, *options])
        assert register_model.main() == status
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "registered command version 1; it is champion now",
        "version 1 (champion) has these very weights: nothing to do",
    ]
    assert "refused, nothing registered: test MSE 9.0000 dB² is worse than 4.0000 dB² of version 1" in printed.err


@pytest.mark.parametrize("step", ["log_model_artifacts", "create_model_version", "set_registered_model_alias"])
def test_a_registration_that_fails_leaves_no_half_model(
    training: Path, client: Any, database: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    there = models_in(database)

    def fail(*_: object, **__: object) -> None:
        raise MlflowException("the store is full")

    monkeypatch.setattr(client, step, fail)
    with pytest.raises(MlflowException, match="full"):
        register(str(training), client, "champion", "failed")
    assert models_in(database) == there
