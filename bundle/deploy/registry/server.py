"""MLflow's scoring app with what `mlflow models serve` has no option for: a limit on bodies, no unknown inputs."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bundle.deploy.request_body import Disconnected, read_body, replayed

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
        try:
            body = await read_body(scope["headers"], receive, self.max_bytes, DRAINED * self.max_bytes)
        except Disconnected:
            return
        kind = dict(scope["headers"]).get(b"content-type", b"")
        if body is None:
            await _refuse(413, f"body above {self.max_bytes} bytes; send fewer eyes a request", scope, receive, send)
        elif not kind.lower().startswith(b"application/json"):
            await _refuse(415, "expected the Content-Type application/json", scope, receive, send)
        else:
            await self.app(scope, replayed(body, receive), send)


def scoring_app(model: PyFuncModel, max_bytes: int) -> FastAPI:
    """The app that `mlflow models serve` runs (/invocations, /ping, /health, /version), with the two guards."""
    app: FastAPI = scoring_server.init(StrictModel(model))
    app.add_middleware(RequestGuard, max_bytes=max_bytes)
    return app


async def _refuse(status: int, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    content = {"error_code": "BAD_REQUEST", "message": f"request: {reason}"}
    await JSONResponse(content, status, headers={"Connection": "close"})(scope, receive, send)
