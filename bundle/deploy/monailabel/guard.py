"""What stands before the app: a list of addresses, a limit on bodies, and silence about what was asked."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Awaitable, Callable

from bundle.deploy.request_body import Disconnected, Message, Receive, read_body, replayed

Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

ADDRESSES = {  # pattern of the path: name in the log, method
    r"/info/?": ("info", "GET"),
    r"/datastore/?": ("datastore", "GET"),
    r"/infer/[^/]+": ("infer", "POST"),
}
BODY_BYTES = 64 * 1024  # a request holds parameters only
DRAINED_BYTES = 64 * 1024 * 1024  # so much of a larger body is read and dropped, so that the client reads the answer
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_log = logging.getLogger(__name__)


class Guard:
    """An ASGI application around another one.

    Answers 404 to an unknown address, 405 to a method that would change something, 413 to a body above `BODY_BYTES`,
    and 500 with a fixed text when the inner application fails. Logs one line a request: method, address, status and
    milliseconds, and nothing that a client or a file says.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        start, status = time.monotonic(), 0
        name, allowed = _address(scope["path"])

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            body = await read_body(scope["headers"], receive, BODY_BYTES, DRAINED_BYTES)
        except Disconnected:
            return
        if body is None:
            await _refuse(noted, 413, f"body: found more than {BODY_BYTES} bytes; this server takes no images")
        elif not allowed:
            await _refuse(noted, 404, "address: expected /info/, /datastore/ or /infer/MODEL")
        elif scope["method"] != allowed:
            await _refuse(noted, 405, f"method: expected {allowed}; this server only reads")
        else:
            await self._pass_on(scope, body, receive, noted)
        method = scope["method"] if scope["method"] in METHODS else "other"
        _log.info("%s %s: %d, %.0f ms", method, name, status, 1000 * (time.monotonic() - start))

    async def _pass_on(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        """Runs the application on a body that was read already; its failure is answered and named by its kind only."""
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, replayed(body, receive), noted)
        except Exception as error:  # its text may quote a file, so only its kind is told
            _log.error("failed: %s", type(error).__name__)
            if not started:
                await _refuse(send, 500, "the server could not answer; its log names the kind of failure")


def _address(path: str) -> tuple[str, str | None]:
    """(name for the log, method allowed) of a path; ("other", None) for an unknown one."""
    return next((found for pattern, found in ADDRESSES.items() if re.fullmatch(pattern, path)), ("other", None))


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
