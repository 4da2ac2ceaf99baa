"""A served model over real HTTP: answers, clear refusals, and it goes on. Also through `scripts.predict --server`."""

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import numpy as np
import pytest

from bundle.deploy.inputs import input_shapes
from bundle.deploy.predictor import Predictor
from bundle.deploy.registry.model_files import input_example, write_model_files
from bundle.deploy.registry.request import MAX_EYES
from bundle.deploy.registry.served_network import served_predictor
from bundle.deploy.registry.server import scoring_app
from bundle.errors import InputError
from tests.deploy.registry.conftest import serving, write_training
from tests.toy import toy_regressor, write_cohort

MAX_BYTES = 1_000_000
EXAMPLE = input_example(input_shapes(toy_regressor(), {"oct_grid": [4, 16, 8], "fundus_size": 16}))
EYE = {key: values.tolist() for key, values in EXAMPLE.items()}
NULL = {key: np.full(values.shape, None).tolist() for key, values in EXAMPLE.items()}


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training(tmp_path_factory.mktemp("training") / "run", error_db=2.0)


@pytest.fixture(scope="module")
def url(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    files = tmp_path_factory.mktemp("files") / "model"
    write_model_files(training, files)
    with serving(scoring_app(mlflow.pyfunc.load_model(str(files)), MAX_BYTES)) as address:
        yield address


def post(url: str, body: Any, content_type: str | None = "application/json") -> tuple[int, str]:
    """Status and text of an answer; `body` is sent as JSON, bytes as they are, an iterator in chunks."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    content = json.dumps(body).encode() if isinstance(body, dict | list) else body
    headers = {} if content_type is None else {"Content-Type": content_type}
    connection.request("POST", "/invocations", content, headers, encode_chunked=not isinstance(content, bytes))
    with connection.getresponse() as answer:
        return answer.status, answer.read().decode()


def strict_json(text: str) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_both_inputs_and_one_missing_are_answered_in_strict_json(url: str) -> None:
    answers = []
    for inputs in (EYE, EYE | {"fundus": NULL["fundus"]}, EYE | {"image": NULL["image"]}):
        status, text = post(url, {"inputs": inputs})
        assert status == 200, text
        answers += strict_json(text)["predictions"]
    both, oct_alone, fundus_alone = answers
    assert oct_alone["md_fundus_db"] is None
    assert oct_alone["md_db"] == both["md_oct_db"]
    assert fundus_alone["md_db"] == both["md_fundus_db"]


WRONG: dict[str, tuple[Any, str, int, str]] = {
    "both missing": ({"inputs": NULL}, "application/json", 400, "eye 0 has neither image nor fundus"),
    "one not named": ({"inputs": {"image": EYE["image"]}}, "application/json", 400, "missing inputs ['fundus']"),
    "unknown input": ({"inputs": EYE | {"photo": [1]}}, "application/json", 400, "found photo; expected"),
    "wrong shape": ({"inputs": EYE | {"image": EYE["fundus"]}}, "application/json", 400, "does not match expected"),
    "ragged": ({"inputs": EYE | {"image": [[1, 2], [3]]}}, "application/json", 400, "inhomogeneous"),
    "text": ({"inputs": EYE | {"image": [["dark"]]}}, "application/json", 400, "could not convert string to float"),
    "not finite": (
        {"inputs": EYE | {"image": np.full((1, 1, 4, 16, 8), 1e39).tolist()}}, "application/json", 400, "not finite",
    ),
    "too many eyes": (
        {"inputs": {key: (MAX_EYES + 1) * [np.zeros_like(values[0]).tolist()] for key, values in EXAMPLE.items()}},
        "application/json", 400, f"expected 1 to {MAX_EYES} a request",
    ),
    "no eye": ({"inputs": {"image": [], "fundus": []}}, "application/json", 400, "does not match expected shape"),
    "no inputs": ({"eyes": EYE}, "application/json", 400, "exactly one of the input fields"),
    "a list": ([1], "application/json", 400, "Received a list"),
    "not JSON": (b"{", "application/json", 400, "valid JSON"),
    "a number": ({"inputs": 5}, "application/json", 400, "schema"),
    "a data frame": ({"dataframe_split": {"columns": ["a"], "data": [[1]]}}, "application/json", 400, "image"),
    "a table": (b"a,b\n1,2\n", "text/csv", 415, "expected the Content-Type application/json"),
    "no type": (b"x", None, 415, "expected the Content-Type application/json"),
    "large": (b"x" * (MAX_BYTES + 1), "application/json", 413, f"body above {MAX_BYTES} bytes"),
    "large in chunks": (None, "application/json", 413, f"body above {MAX_BYTES} bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_a_clear_4xx_and_the_server_goes_on(url: str, name: str) -> None:
    body, content_type, expected, reason = WRONG[name]
    if body is None:
        body = (b"x" * 100_000 for _ in range(MAX_BYTES // 100_000 + 1))
    status, text = post(url, body, content_type)
    assert (status, reason in text) == (expected, True), text[:2000]
    assert "Traceback" not in text
    assert post(url, {"inputs": EYE})[0] == 200


def test_a_file_is_predicted_through_the_server_as_without_it(
    url: str, training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts import predict

    folder = write_cohort(tmp_path, 1).parent
    paths = {"oct": str(folder / "oct0.npz"), "fundus": str(folder / "fundus0.png")}
    local = Predictor(training)
    for given in (paths, {"oct": paths["oct"]}, {"fundus": paths["fundus"], "eye": "OD"}):
        arguments = [part for key, value in given.items() for part in (f"--{key}", value)]
        monkeypatch.setattr(sys, "argv", ["predict", "--model", str(training), "--server", url, *arguments])
        predict.main()
        found, expected = json.loads(capsys.readouterr().out), local.predict(**given)
        for name in [name for name in expected if name.endswith("_db")]:  # interval_db is a pair
            assert found[name] == pytest.approx(expected.pop(name), abs=1e-3)  # both are rounded to 0.001
        assert found.items() >= expected.items()


def test_a_server_that_is_not_there_or_refuses_is_one_line(url: str, training: Path, tmp_path: Path) -> None:
    path = str(write_cohort(tmp_path / "cohort", 1).parent / "oct0.npz")
    other = write_training(tmp_path / "other", error_db=1.0, oct_grid=[4, 16, 16])
    newer = write_training(tmp_path / "newer", error_db=1.0, seed=1)
    cases = {
        "ftp://host": (training, "expected an address"),
        "http://127.0.0.1:9": (training, "no answer"),
        url: (other, "server: 400: .*does not match expected shape"),
        url + "/": (newer, r"serves model 0\.0\.1\+\w{8}, --model is 0\.0\.1\+"),
    }
    for address, (folder, match) in cases.items():
        with pytest.raises(InputError, match=match) as caught:
            served_predictor(str(folder), address).predict(oct=path)
        assert "\n" not in str(caught.value)


def test_the_command_serves_on_this_machine_alone_unless_told(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn

    from bundle.deploy.registry.registration import register
    from bundle.deploy.registry.store import mlflow_store
    from scripts import serve_model

    with mlflow_store(database, create=True) as client:
        register(str(write_training(tmp_path / "run", 2.0)), client, "champion", "served")
    started: list[Any] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: started.append((app, options)))
    options = ["--tracking-uri", database, "--max-mb", "0.5"]
    monkeypatch.setattr(sys, "argv", ["serve_model", "models:/served@champion", *options])
    serve_model.main()
    ((app, found),) = started
    assert found == {"host": "127.0.0.1", "port": 5001}
    with serving(app) as address:
        assert post(address, b"x" * 500_001)[0] == 413
        assert post(address, {"inputs": EYE})[0] == 200
    for model, option, match in (("models:/absent@champion", "1", "MLflow says"), ("x", "0", "--max-mb")):
        monkeypatch.setattr(sys, "argv", ["serve", model, "--tracking-uri", database, "--max-mb", option])
        with pytest.raises(InputError, match=match):
            serve_model.main()
