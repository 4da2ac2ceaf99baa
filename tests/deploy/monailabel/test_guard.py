"""The guard: what passes, what is refused, and what the log says."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from bundle.deploy.monailabel.guard import BODY_BYTES, DRAINED_BYTES, Guard


class App:
    """Answers 200 with the number of bytes it was sent, or raises."""

    def __init__(self, error: Exception | None = None, after_start: bool = False) -> None:
        self.calls, self.error, self.after_start = 0, error, after_start

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        if self.error and not self.after_start:
            raise self.error
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if self.error:
            raise self.error
        await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


def ask(
    app: Any, method: str, path: str, body: bytes = b"", chunk: int = 10_000, declared: int | None = None
) -> tuple[int, str]:
    """(status, body) of the guard's answer."""
    chunks = [body[start : start + chunk] for start in range(0, len(body), chunk)] or [b""]
    messages = [{"type": "http.request", "body": one, "more_body": True} for one in chunks]
    messages[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(Guard(app)(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent).decode()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/info/"), ("GET", "/info"), ("GET", "/datastore/"), ("POST", "/infer/oct_fundus_md")]
)
def test_three_addresses_pass(method: str, path: str) -> None:
    assert ask(App(), method, path, b"abc") == (200, "3")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/datastore/", 405), ("DELETE", "/datastore/", 405), ("GET", "/infer/oct_fundus_md", 405),
        ("POST", "/info/", 405), ("GET", "/datastore/image", 404), ("PUT", "/datastore/image", 404),
        ("PUT", "/model/oct_fundus_md", 404), ("GET", "/logs/", 404), ("PUT", "/session/", 404),
        ("GET", "/proxy/x", 404),
        ("POST", "/batch/infer/oct_fundus_md", 404), ("POST", "/infer/a/b", 404), ("POST", "/infer/../x", 404),
        ("GET", "/", 404), ("GET", "/docs", 404), ("GET", "/openapi.json", 404), ("GET", "/static/x", 404),
        ("GET", "/info/\n", 404),
    ],
)  # fmt: skip
def test_everything_else_is_refused_before_the_app(method: str, path: str, status: int) -> None:
    app = App()
    found, body = ask(app, method, path)
    assert (found, app.calls) == (status, 0)
    assert json.loads(body)["detail"]


def test_a_body_is_limited_to_the_byte_whether_declared_or_not() -> None:
    assert ask(App(), "POST", "/infer/m", bytes(BODY_BYTES)) == (200, str(BODY_BYTES))
    for declared in (None, BODY_BYTES + 1, 1):
        app = App()
        assert ask(app, "POST", "/infer/m", bytes(BODY_BYTES + 1), declared=declared)[0] == 413
        assert app.calls == 0
    assert ask(App(), "POST", "/infer/m", b"", declared=DRAINED_BYTES + 1)[0] == 413
    assert ask(App(), "PUT", "/datastore/", bytes(BODY_BYTES + 1))[0] == 413


def test_a_body_without_end_is_given_up() -> None:
    received, sent = 0, []

    async def receive() -> Any:
        nonlocal received
        received += 2**20
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/infer/m", "headers": []}
    asyncio.run(Guard(App())(scope, receive, send))
    assert sent[0]["status"] == 413
    assert received <= DRAINED_BYTES + 2 * 2**20


@pytest.mark.parametrize("after_start", [False, True])
def test_a_failure_is_named_by_its_kind_alone(caplog: pytest.LogCaptureFixture, after_start: bool) -> None:
    app = App(RuntimeError("CANARY in /home/CANARY"), after_start)
    with caplog.at_level(logging.INFO):
        status, body = ask(app, "POST", "/infer/CANARY")
    assert status == (200 if after_start else 500)
    assert "RuntimeError" in caplog.text
    assert "CANARY" not in caplog.text + body


def test_a_log_line_holds_nothing_that_the_client_wrote(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for asked in (("GET", "/info/"), ("POST", "/infer/CANARY"), ("CANARY", "/CANARY"), ("GET", "/x\nCANARY")):
            ask(App(), *asked, b"CANARY")
    lines = [record.getMessage().rsplit(",", 1)[0] for record in caplog.records if "bundle" in record.name]
    assert lines == ["GET info: 200", "POST infer: 200", "other other: 404", "GET other: 404"]


def test_a_websocket_is_closed_and_the_lifespan_passed_on() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(App())({"type": "websocket"}, None, send))  # type: ignore[arg-type]
    assert [one["type"] for one in sent] == ["websocket.close"]
