"""The configs as MONAI's runner executes them: train, evaluate, infer, on a toy cohort with a canary in it."""

import copy
import json
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow

from bundle.deploy.model_folder import load_model
from bundle.handlers import CheckpointHandler
from bundle.reporting.history import History
from bundle.reporting.predictions import Predictions
from tests.toy import largest_difference, write_cohort

ROOT = Path(__file__).resolve().parents[2]
CANARY = "CANARY4711"
SMALL = {"oct_grid": [8, 24, 16], "fundus_size": 32, "batch_size": 4, "queue_size": 8}


def workflow(kind: str, config: str | list[str], **keys: Any) -> ConfigWorkflow:
    files = [str(ROOT / "configs" / name) for name in ([config] if isinstance(config, str) else config)]
    return ConfigWorkflow(
        config_file=files, meta_file=str(ROOT / "configs" / "metadata.json"), workflow_type=kind,
        logging_file=str(ROOT / "configs" / "logging.conf"), bundle_root=str(ROOT), device="$torch.device('cpu')",
        run_id="training" if kind == "train" else "evaluating", **keys,
    )  # fmt: skip


def execute(flow: ConfigWorkflow) -> ConfigWorkflow:
    flow.initialize()
    flow.run()
    flow.finalize()
    return flow


@pytest.fixture(scope="module", autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A config changes the process: hook, path, seeds, determinism. All is put back."""
    hook, path, state = sys.excepthook, list(sys.path), torch.get_rng_state()
    numpy_state = np.random.get_state()  # noqa: NPY002
    yield
    sys.excepthook, sys.path[:] = hook, path
    torch.set_rng_state(state)
    np.random.set_state(numpy_state)  # noqa: NPY002
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen eyes; one lacks its OCT, another its photograph."""
    return write_cohort(tmp_path_factory.mktemp("cohort"), 18, patient=CANARY, missing={1: "oct", 13: "fundus"})


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow") / "mlflow.db"


@pytest.fixture(scope="module")
def trained(cohort: Path, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two epochs, the ascent in the second; folder, workflow and what was printed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "run"
    flow = workflow(
        "train", "train.yaml", manifest=str(cohort), max_epochs=2, rho_warmup_epochs=1, contrast_warmup_epochs=1,
        output_dir=str(folder), tracking_uri=f"sqlite:///{database}", run_name="toy", **SMALL,
    )  # fmt: skip
    return execute(flow), folder


def test_training_config_has_every_property_that_monai_expects(trained: Any) -> None:
    assert trained[0].check_properties() == []


def test_inference_config_has_every_property_that_monai_expects(cohort: Path) -> None:
    flow = workflow("infer", "inference.yaml", manifest=str(cohort))
    flow.initialize()
    assert flow.check_properties() == []


def test_training_leaves_model_history_checkpoints_and_report(trained: Any, cohort: Path) -> None:
    folder = trained[1]
    assert {path.name for path in folder.iterdir()} >= {
        "config.yaml",
        "history.csv",
        "model.pt",
        "model.json",
        "split.csv",
        "checkpoints",
        "test",
    }
    history = History.from_csv(folder / "history.csv")
    assert history.column("epoch").tolist() == [1, 2]
    assert history.column("rho").tolist() == [0.0, 0.01]
    for column in ("train_loss", "val_mse", "val_r2", "k_oct", "error_fundus"):
        assert np.isfinite(history.column(column)).all(), column
    assert (folder.parent / "latest").resolve() == folder
    description = json.loads((folder / "model.json").read_text())
    assert description["oct_grid"] == SMALL["oct_grid"]
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["max_epochs"] == 2
    assert saved["manifest"] == str(cohort)
    tests = Predictions.from_csv(folder / "test" / "predictions.csv")
    assert len(tests) == 3


def test_the_model_file_is_the_best_epochs_network(trained: Any) -> None:
    flow, folder = trained
    assert largest_difference(load_model(folder)[0], flow.parser.get_parsed_content("network")) == 0.0


def test_tracking_holds_the_run(trained: Any, database: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{database}")
    (run,) = client.search_runs([client.get_experiment_by_name("re-m3dr").experiment_id])
    assert (run.info.run_name, run.info.status) == ("toy", "FINISHED")
    assert run.data.params.items() >= {"lr": "0.002", "rho": "0.01", "n_train_eyes": "12"}.items()
    digest = trained[0].parser.get_parsed_content("cohort").digest
    assert run.data.tags["cohort_digest"] == digest
    assert [m.step for m in client.get_metric_history(run.info.run_id, "val_mse")] == [1, 2]
    assert "test_mse" in run.data.metrics
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"config.yaml", "model.json", "test"}


def test_no_patient_identifier_leaves_the_manifest(
    trained: Any, database: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Model, checkpoints, tables, report, artifacts and the tracking database are searched byte by byte."""
    holders = [trained[1], database.parent]
    searched = [path for holder in holders for path in holder.rglob("*") if path.is_file()]
    assert len(searched) > 15
    assert [path for path in searched if CANARY.encode() in path.read_bytes()] == []
    with sqlite3.connect(database) as connection:
        assert CANARY not in "\n".join(connection.iterdump())
    flow = trained[0]
    print(flow.parser.get_parsed_content("cohort").summary())
    assert CANARY not in capfd.readouterr().out


def test_evaluation_and_inference_give_the_figures_of_the_training(
    trained: Any, cohort: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = trained[1]
    keys = {
        "manifest": str(cohort),
        "ckpt_path": str(folder / "model.pt"),
        **{k: SMALL[k] for k in ("oct_grid", "fundus_size")},
    }
    execute(workflow("infer", ["inference.yaml", "evaluate.yaml"], output_dir=str(tmp_path / "evaluation"), **keys))
    execute(workflow("infer", "inference.yaml", output_dir=str(tmp_path / "inference"), **keys))
    after_training, evaluated, inferred = (
        Predictions.from_csv(f / "predictions.csv")
        for f in (folder / "test", tmp_path / "evaluation", tmp_path / "inference")
    )
    for subset in ("oct+fundus", "oct", "fundus"):
        assert np.allclose(evaluated.pred_db[subset], after_training.pred_db[subset], atol=1e-4, equal_nan=True)
    assert len(inferred) == 18
    chosen = np.isin(inferred.row, evaluated.row)
    assert np.allclose(inferred.pred_db["oct"][chosen], evaluated.pred_db["oct"], atol=1e-3, equal_nan=True)
    by_row = dict(zip(inferred.row.tolist(), range(18), strict=True))
    assert np.isnan(inferred.pred_db["oct"][by_row[3]])  # patient 1: no OCT
    assert np.isfinite(inferred.pred_db["fundus"][by_row[3]])
    assert CANARY not in capfd.readouterr().out


def test_resumed_config_equals_one_that_never_stopped(trained: Any, cohort: Path, tmp_path: Path) -> None:
    """As `--resume` does: a second workflow goes on from the first epoch's checkpoint, in its folder."""
    settings = {
        "manifest": str(cohort),
        "use_mlflow": False,
        "rho_warmup_epochs": 1,
        "contrast_warmup_epochs": 1,
        **SMALL,
    }
    folder = tmp_path / "run"
    shutil.copytree(trained[1], folder)
    (folder / "checkpoints" / "checkpoint_epoch=2.pt").unlink()
    flow = execute(workflow("train", "train.yaml", max_epochs=2, resume=str(folder), **settings))
    a, b = (torch.load(f / "checkpoints" / "checkpoint_epoch=2.pt", weights_only=True) for f in (trained[1], folder))
    assert largest_difference(a["network"], b["network"]) == 0.0
    assert any(
        isinstance(h, CheckpointHandler) for h in flow.parser.get_parsed_content("train::trainer").attached_handlers
    )


# ---- the two configs say the same ----------------------------------------------------------------------------------


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "configs" / name).read_text(encoding="utf-8"))


def test_inference_prepares_eyes_as_training_does() -> None:
    training = copy.deepcopy(read("train.yaml")["train"]["deterministic_transforms"])
    inference = read("inference.yaml")["preprocessing"]["transforms"]
    for transform in training:
        if transform["_target_"] == "bundle.transforms.LabelToTensord":
            assert transform.pop("required") is True
            transform["required"] = False
    assert inference == training


def test_inference_builds_the_network_that_training_builds() -> None:
    training, inference = read("train.yaml"), read("inference.yaml")
    for key in ("md_mean_db", "md_sd_db", "seed"):  # in inference they come with the weights
        training["network_def"].pop(key)
    for key in ("network_def", "oct_grid", "oct_extent_mm", "fundus_size", "split_seed", "split_fractions"):
        assert inference[key] == training[key], key
