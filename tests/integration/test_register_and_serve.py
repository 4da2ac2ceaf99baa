"""The round trip: train, register, serve with `mlflow models serve`, request, compare with `scripts.predict`."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.deploy.predictor import Predictor
from bundle.deploy.registry.request import MAX_EYES
from scripts import predict, register_model
from tests.deploy.registry.conftest import wait_until
from tests.integration.test_config_workflow import SMALL, execute, process_as_it_was, workflow  # noqa: F401
from tests.toy import write_cohort

NAME = "toy_md"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 12)


@pytest.fixture(scope="module")
def training(cohort: Path, store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tracked epoch."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    execute(workflow("train", "train.yaml", manifest=str(cohort), max_epochs=1, rho=0.0, output_dir=str(folder),
                     tracking_uri=store, run_name="toy", **SMALL))  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def server(training: Path, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`mlflow models serve`, started away from the repository: the model brings its code. Host and port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["register_model", str(training), "--alias", "champion", "--name", NAME])
        patch.setenv("MLFLOW_TRACKING_URI", store)
        assert register_model.main() == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/{NAME}@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store, "OMP_NUM_THREADS": "1", "PATH": path}
    environment.pop("PYTHONPATH", None)
    with (where / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=where, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or is_up(f"127.0.0.1:{port}"), seconds=180)
        assert process.poll() is None, (where / "log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def is_up(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def post(address: str, body: Any) -> tuple[int, Any]:
    """Status and answer; `body` is sent as strict JSON, bytes as they are."""
    connection = http.client.HTTPConnection(address, timeout=120)
    content = body if isinstance(body, bytes) else json.dumps(body, allow_nan=False)
    connection.request("POST", "/invocations", content, {"Content-Type": "application/json"})
    with connection.getresponse() as answer:
        return answer.status, answer.read().decode()


def prepared(predictor: Predictor, **paths: str) -> dict[str, Any]:
    """An eye as the network reads it, null in place of NaN."""
    batch = predictor.preprocessing({**paths, "eye": "OD"})
    arrays = {key: batch[key][None].numpy().astype(object) for key in ("image", "fundus")}
    return {key: np.where(array != array, None, array).tolist() for key, array in arrays.items()}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What `python -m scripts.predict` prints for one eye."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["predict", *arguments])
        predict.main()
    return json.loads(capsys.readouterr().out)


def test_the_served_model_answers_as_predict_does_and_refuses_clearly(
    server: str, training: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, fundus = str(cohort.parent / "oct0.npz"), str(cohort.parent / "fundus0.png")
    predictor = Predictor(training)
    files = {
        "both": (["--oct", image, "--fundus", fundus], {"image": image, "fundus": fundus}),
        "no photograph": (["--oct", image, "--eye", "OD"], {"image": image}),
        "no OCT": (["--fundus", fundus, "--eye", "OD"], {"fundus": fundus}),
    }
    for arguments, paths in files.values():
        expected = printed(capsys, "--model", str(training), *arguments)
        status, text = post(server, {"inputs": prepared(predictor, **paths)})
        assert status == 200, text
        (found,) = json.loads(text)["predictions"]
        for name in [name for name in expected if name.startswith("md_")]:
            assert round(found[name], 3) == pytest.approx(expected[name], abs=1e-4)  # predict prints 3 decimals
        assert found["stage"] == expected["stage"]
        assert found["interval_low_db"] is expected["interval_db"] is None  # too few patients for one
        assert printed(capsys, "--model", str(training), "--server", f"http://{server}", *arguments) == expected

    eye = prepared(predictor, image=image, fundus=fundus)
    null = {key: np.full(np.shape(values), None).tolist() for key, values in eye.items()}
    wrong = {
        "neither image nor fundus": {"inputs": null},
        "missing inputs ['fundus']": {"inputs": {"image": eye["image"], "photo": eye["fundus"]}},
        "does not match expected shape": {"inputs": eye | {"image": eye["fundus"]}},
        "could not convert string": {"inputs": eye | {"image": [["dark"]]}},
        "exactly one of the input fields": {"eyes": eye},
        f"expected 1 to {MAX_EYES} a request": {"inputs": {key: 33 * values for key, values in null.items()}},
        "valid JSON": b"x" * 20_000_000,
    }
    for reason, body in wrong.items():
        status, text = post(server, body)
        assert (status, reason in text) == (400, True), text[:2000]
        assert post(server, {"inputs": eye})[0] == 200
