"""A finished training as the registry needs it: the model folder, and how it did on which test eyes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from bundle.deploy.model_folder import DESCRIPTION, TEST_METRICS, WEIGHTS, read_description
from bundle.errors import InputError
from bundle.reporting.predictions import SUBSETS, Predictions
from bundle.weights import load_weights_only

PREDICTIONS = "test/predictions.csv"
RUN_ID = re.compile(r"[0-9a-f]{32}")
EPOCH = re.compile(r"epoch=(\d+)")
ALL = "all"  # the group of all eyes in metrics.json


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """description: model.json.  figures: by name (`mse`, `oct_mse`, ...) over all test eyes.

    test_eyes: SHA-256 (hex) of which eyes were tested and their measured MD.  run: its MLflow run, where there is one.
    """

    folder: Path
    description: dict[str, Any]
    figures: dict[str, float]
    n_test_eyes: int
    test_eyes: str
    run: Run | None


def find_trained(given: str, client: MlflowClient, scratch: Path) -> TrainedModel:
    """The finished training that a user names.

    Args:
        given: a training's folder, or the id of its MLflow run.
        client: of the store with the runs.
        scratch: an empty folder for a run's artifacts.

    Raises:
        InputError: neither of the two, a run that is unknown or not finished, or a training without test figures.
    """
    if Path(given).is_dir():
        folder = Path(given).resolve()
        return _read(folder, _run_of(folder, client))
    if not RUN_ID.fullmatch(given):
        raise InputError(
            f"run: found neither a folder nor a run id: {given!r}; give a training's folder, such as eval/latest, or "
            "the 32 hex digits that MLflow shows as the run's id"
        )
    run = _known_run(given, client)
    if run is None:
        raise InputError(f"run: no run {given} in this store; give its --tracking-uri, or the training's folder")
    if run.info.status != "FINISHED":
        raise InputError(f"run: {given} is {run.info.status}; expected FINISHED: let it end, or resume it (--resume)")
    there = {file.path for folder in ("", "test") for file in client.list_artifacts(given, folder)}
    for name in {WEIGHTS, DESCRIPTION, TEST_METRICS, PREDICTIONS} & there:
        target = (scratch / name).parent
        target.mkdir(exist_ok=True)
        client.download_artifacts(given, name, str(target))
    return _read(scratch, run)


def _read(folder: Path, run: Run | None) -> TrainedModel:
    description = read_description(folder)
    if not (folder / TEST_METRICS).is_file():
        raise InputError(f"run: no {TEST_METRICS}; expected a training that ended, with its test: resume it (--resume)")
    figures = _figures(json.loads((folder / TEST_METRICS).read_text(encoding="utf-8"))["answers"])
    tested = Predictions.from_csv(folder / PREDICTIONS)
    if "mse" not in figures or not tested.labelled.any():
        raise InputError("run: its test eyes have no measured MD; a model that was not judged cannot be registered")
    return TrainedModel(
        folder=folder, description=description, figures=figures, n_test_eyes=int(tested.labelled.sum()),
        test_eyes=_digest(tested.select(tested.labelled)), run=run,
    )  # fmt: skip


def _figures(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The figures of the headline answer (the first) by name; those of one modality alone have its name before."""
    headline = next(iter(answers), "")
    figures: dict[str, float] = {}
    for answer, groups in answers.items():
        if answer == headline or answer in SUBSETS[1:]:
            prefix = "" if answer == headline else f"{answer}_"
            numbers = {name: value for name, value in groups[ALL].items() if isinstance(value, float)}
            figures |= {f"{prefix}{name}": value for name, value in numbers.items()}
    return figures


def _digest(tested: Predictions) -> str:
    eyes = sorted(zip(tested.row.tolist(), tested.eye.tolist(), tested.label_db.tolist(), strict=True))
    return hashlib.sha256(json.dumps(eyes).encode()).hexdigest()


def _run_of(folder: Path, client: MlflowClient) -> Run | None:
    """The run that tracked a training, which its newest checkpoint names; None without checkpoint or tracking."""
    checkpoints = sorted((folder / "checkpoints").glob("*epoch=*.pt"), key=_epoch)
    if not checkpoints:
        return None
    run_id = load_weights_only(checkpoints[-1]).get("MLflowTrackingHandler", {}).get("run_id")
    return _known_run(run_id, client) if run_id else None


def _epoch(path: Path) -> int:
    found = EPOCH.search(path.name)
    return int(found[1]) if found else 0


def _known_run(run_id: str, client: MlflowClient) -> Run | None:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
