"""The real MONAI Label over HTTP: listing, answers, and nothing changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.deploy.predictor import Predictor
from tests.deploy.monailabel.server_process import BOTH, MODEL, NEEDED, Server
from tests.deploy.monailabel.studies_folder import CANARY, REFUSED, SERVED
from tests.toy import write_cohort

pytestmark = NEEDED


def test_studies_are_listed(server: Server) -> None:
    status, body = server.ask("GET", "/datastore/")
    assert status == 200
    assert set(json.loads(body)["images"]) == {*SERVED, *REFUSED}
    assert json.loads(body)["total"] == len(SERVED) + len(REFUSED)
    listed = json.loads(server.ask("GET", "/datastore/?output=all")[1])["objects"]
    assert {name: listed[name]["image"]["info"]["modalities"] for name in SERVED} == SERVED
    assert server.ask("GET", "/datastore/?output=train") == (200, "[]")


def test_information_names_the_model_and_no_path(server: Server, model: Path) -> None:
    status, body = server.ask("GET", "/info/")
    assert status == 200
    assert list(json.loads(body)["models"]) == [MODEL]
    assert json.loads(body)["version"] == Predictor(model).version
    assert str(model.parent) not in body


@pytest.mark.parametrize("study", SERVED)
def test_answers_are_those_of_the_predictor(server: Server, studies: Path, model: Path, study: str) -> None:
    beside = {kind: next(studies.glob(f"{study}_{kind}*"), None) for kind in ("oct", "fundus")}
    within = {kind: next(studies.glob(f"{study}/{kind}*"), None) for kind in ("oct", "fundus")}
    images = {kind: str(beside[kind] or within[kind]) for kind in SERVED[study]}
    eye = next((eye for eye in ("OD", "OS") if study.endswith(eye)), None)
    expected = Predictor(model).predict(**images, eye=eye)
    status, answer = server.infer(study)
    assert status == 200, answer
    assert answer.items() >= expected.items()
    assert answer["modalities"] == SERVED[study]
    assert len(answer["interval_db"]) == 2
    assert answer["quality_flags"] is None


def test_the_studies_folder_is_as_it_was(server: Server, studies: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in studies.rglob("*")}
    server.infer(BOTH)
    server.ask("GET", "/info/")
    assert {path: path.lstat().st_mtime_ns for path in studies.rglob("*")} == before
    assert not {"labels", "datastore_v2.json", ".lock"} & {path.name for path in studies.iterdir()}


def test_monai_labels_own_client_gets_the_answer(server: Server) -> None:
    from monailabel.client import MONAILabelClient

    client = MONAILabelClient(f"http://127.0.0.1:{server.port}")
    assert list(client.info()["models"]) == [MODEL]
    image, answer = client.infer(MODEL, BOTH, {})
    assert image is None
    assert json.loads(answer) == server.infer(BOTH)[1]


def test_a_cohort_is_served_by_its_manifest(model: Path, tmp_path: Path) -> None:
    write_cohort(tmp_path, n_patients=2, patient=CANARY)
    running = Server(tmp_path, model)
    try:
        running.wait()
        status, answer = running.infer("row3")
        listing = running.ask("GET", "/datastore/?output=all")[1]
        assert running.infer("oct1")[0] == 404
    finally:
        log = running.stop()
    assert status == 200
    images = {"oct": str(tmp_path / "oct1.npz"), "fundus": str(tmp_path / "fundus1.png")}
    assert answer.items() >= Predictor(model).predict(**images, eye="OD").items()
    assert list(json.loads(listing)["objects"]) == ["row2", "row3"]
    assert CANARY not in log + listing


@pytest.mark.parametrize("wrong", ["studies", "model"])
def test_a_mistake_at_the_start_is_one_line(studies: Path, model: Path, tmp_path: Path, wrong: str) -> None:
    paths = {"studies": studies, "model": model, wrong: tmp_path / "absent"}
    running = Server(**paths)
    output = running.process.communicate(timeout=120)[0]
    assert running.process.returncode == 2
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert wrong in line
    assert "Traceback" not in output
