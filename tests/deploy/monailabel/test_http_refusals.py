"""The real MONAI Label over HTTP: what is refused, after which the server answers as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.deploy.monailabel.server_process import BOTH, MODEL, NEEDED, Server
from tests.deploy.monailabel.studies_folder import CANARY, REFUSED

pytestmark = [NEEDED, pytest.mark.usefixtures("goes_on")]


@pytest.mark.parametrize("study", REFUSED)
def test_images_that_cannot_be_used_are_refused_with_the_reason(server: Server, studies: Path, study: str) -> None:
    status, answer = server.infer(study)
    assert status == 422
    assert REFUSED[study] in answer["detail"]
    assert CANARY not in answer["detail"]
    assert str(studies.parent) not in answer["detail"]


TRAVERSALS = [
    "../outside",
    "..",
    ".",
    "/etc/passwd",
    "a/../../outside",
    f"{BOTH}_oct.npz",
    "\x00",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("image", [*TRAVERSALS, "unknown", "x" * 3000])
def test_unknown_images_and_paths_are_not_found(server: Server, studies: Path, image: str) -> None:
    status, answer = server.infer(image)
    assert status == 404
    assert answer["detail"] == "image: found no such study, expected an id that GET /datastore/ lists"
    absolute = str(studies / f"{BOTH}_oct.npz")
    assert server.infer(absolute)[0] == 404
    assert server.infer(quote(image, safe=""))[0] == 404, "encoded twice"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", f"/infer/other?image={BOTH}", 404), ("POST", f"/infer/..%2f{MODEL}?image={BOTH}", 404),
        ("POST", f"/infer/../{MODEL}?image={BOTH}", 404), ("POST", f"/infer/{MODEL}", 422),
        ("POST", f"/infer/{MODEL}?image=", 422), ("POST", f"/infer/{MODEL}?image={BOTH}&output=image", 422),
        ("POST", f"/infer/{MODEL}?image={BOTH}&output=dicom_seg", 422),
        ("POST", f"/infer/{MODEL}?image={BOTH}&output={CANARY}", 422),
        ("POST", f"/infer/{MODEL}?image={BOTH}&session_id=1", 422), ("GET", f"/datastore/?output={CANARY}", 422),
        ("GET", f"/infer/{MODEL}?image={BOTH}", 405), ("PUT", "/datastore/?image=a", 405),
        ("DELETE", "/datastore/?id=a", 405), ("GET", f"/datastore/image?image={BOTH}", 404),
        ("PUT", "/datastore/label?image=a", 404), ("PUT", f"/model/{MODEL}", 404), ("PUT", "/session/", 404),
        ("POST", f"/train/{MODEL}", 404), ("POST", f"/batch/infer/{MODEL}", 404), ("POST", "/reload", 404),
        ("GET", "/logs/", 404), ("GET", "/docs", 404), ("GET", "/static/../../main.py", 404),
    ],
)  # fmt: skip
def test_whatever_else_is_asked_is_refused(server: Server, method: str, target: str, status: int) -> None:
    found, body = server.ask(method, target)
    assert found == status
    assert json.loads(body)["detail"]
    assert CANARY not in body


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "params", [{"image": "/etc/passwd"}, {"model": "other"}, {"device": "cuda"}, [1], "{", "[" * 5000]
)
def test_parameters_change_nothing(server: Server, params: Any) -> None:
    text = params if isinstance(params, str) else json.dumps(params)
    status, body = server.ask("POST", f"/infer/{MODEL}?image={BOTH}", urlencode({"params": text}), FORM)
    assert status == 422, body
    assert json.loads(body)["detail"].startswith("params: found")


def test_uploads_and_large_bodies_are_refused(server: Server) -> None:
    upload = b'--x\r\nContent-Disposition: form-data; name="file"; filename="CANARY.npz"\r\n\r\nabc\r\n--x--\r\n'
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    target = f"/infer/{MODEL}?image={BOTH}"
    assert server.ask("POST", target, upload, multipart)[0] == 422
    assert server.ask("POST", target, upload.replace(b"abc", bytes(10**7)), multipart)[0] == 413
    pieces = iter([bytes(10**6)] * 10)
    assert server.ask("POST", target, pieces, multipart, encode_chunked=True)[0] == 413
    assert server.ask("PUT", "/datastore/?image=a", bytes(10**7))[0] == 413
    assert server.ask("POST", target, b"--x\r\nno multipart", multipart)[0] in (400, 422)


def test_another_sites_name_is_refused(server: Server) -> None:
    """A page of another site cannot reach the server by letting its own name point to 127.0.0.1."""
    assert server.ask("GET", "/info/", headers={"Host": "clinic.example"})[0] == 400
    assert server.ask("GET", "/info/", headers={"Host": "localhost"})[0] == 200
