"""MLflow's scoring app with what `mlflow models serve` has no option for: a limit on bodies, no unknown inputs."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAINED = 8  # times the limit: what is read and dropped so that the sender gets to read the answer


class StrictModel:
    """An MLflow model that refuses inputs which its signature does not name; MLflow itself drops them in silence."""

    def __init__(self, model: PyFuncModel) -> None:
        self.metadata = model.metadata
        self._model = model
        self._names = model.metadata.get_input_schema().input_names()

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """As the model's own.

        Raises:
            MlflowException: an unknown input; the scoring app answers 400.
        """
        unknown = sorted(str(key) for key in set(data) - set(self._names)) if isinstance(data, dict) else []
        if unknown:
            raise MlflowException.invalid_parameter_value(
                f"inputs: found {', '.join(unknown)}; expected {' and '.join(self._names)}"
            )
        return self._model.predict(data, params=params)


class RequestGuard:
    """ASGI middleware: 413 for a body above a limit, whether its length is announced or not; 415 for other than JSON.

    Args:
        app: what gets the requests that pass.
        max_bytes: of a request's body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        chunks: list[bytes] = []
        read = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunk = message.get("body", b"")
            read += len(chunk)
            if read <= self.max_bytes:
                chunks.append(chunk)
            if not message.get("more_body", False) or read > DRAINED * self.max_bytes:
                break
        if read > self.max_bytes:
            await _refuse(413, f"body above {self.max_bytes} bytes; send fewer eyes a request", scope, receive, send)
        elif not headers.get(b"content-type", b"").lower().startswith(b"application/json"):
            await _refuse(415, "expected the Content-Type application/json", scope, receive, send)
        else:
            await self.app(scope, _replay(b"".join(chunks), receive), send)


def scoring_app(model: PyFuncModel, max_bytes: int) -> FastAPI:
    """The app that `mlflow models serve` runs (/invocations, /ping, /health, /version), with the two guards."""
    app: FastAPI = scoring_server.init(StrictModel(model))
    app.add_middleware(RequestGuard, max_bytes=max_bytes)
    return app


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, as one message; then whatever the server says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _refuse(status: int, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    content = {"error_code": "BAD_REQUEST", "message": f"request: {reason}"}
    await JSONResponse(content, status, headers={"Connection": "close"})(scope, receive, send)
