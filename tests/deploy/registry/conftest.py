"""A finished training without the training, a store to register it in, and a server on this machine."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.deploy.model_folder import save_model
from bundle.deploy.registry.store import mlflow_store
from bundle.reporting.atomic import write_json_atomic
from bundle.reporting.evaluation import evaluate
from bundle.reporting.predictions import Predictions
from tests.deploy.toy_intervals import DESCRIBED
from tests.toy import FUNDUS_SIZE, OCT_GRID, toy_regressor

N_EYES = 6
DESCRIPTION = {
    "version": "0.0.1", "oct_grid": list(OCT_GRID), "oct_extent_mm": [6.0, 2.0, 6.0], "fundus_size": FUNDUS_SIZE,
    "cohort_digest": "c" * 64, **DESCRIBED,
}  # fmt: skip


def write_training(
    folder: Path,
    error_db: float,
    seed: int = 0,
    first_row: int = 2,
    modalities: Any = ("oct", "fundus"),
    **changed: Any,
) -> Path:
    """The files of a training whose test errors are all `error_db`, so that its test MSE is its square."""
    save_model(folder, toy_regressor(modalities, seed=seed).eval(), DESCRIPTION | changed)
    label_db = -np.arange(1.0, N_EYES + 1)
    tested = Predictions(
        row=np.arange(first_row, first_row + N_EYES), eye=np.full(N_EYES, "OD"), split=np.full(N_EYES, "test"),
        patient=np.arange(N_EYES), label_db=label_db,
        pred_db={"oct+fundus": label_db + error_db, "oct": label_db + 3, "fundus": label_db - 4},
    )  # fmt: skip
    tested.to_csv(folder / "test" / "predictions.csv")
    write_json_atomic(folder / "test" / "metrics.json", evaluate(tested, n_resamples=10).to_dict())
    return folder


@pytest.fixture(scope="session")
def database(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An SQLite store; tests share it and use a model's name of their own."""
    return f"sqlite:///{shutil.copy(empty_database, tmp_path_factory.mktemp('mlflow'))}"


@pytest.fixture
def client(database: str) -> Iterator[Any]:
    with mlflow_store(database, create=True) as client:
        yield client


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of an ASGI app on a free port of 127.0.0.1; stopped at the block's end."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)


def wait_until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.05)
