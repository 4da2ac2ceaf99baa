"""The body of an HTTP request, read by an ASGI middleware before the application is asked; no larger than allowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Disconnected(Exception):
    """The client went away: nobody is left to be answered."""


async def read_body(headers: list[tuple[bytes, bytes]], receive: Receive, most: int, drained: int) -> bytes | None:
    """The body, or None when it is too large, whether its length was announced or not.

    Args:
        headers: of the request, names in small letters as ASGI gives them.
        receive: of the application.
        most: bytes of a body that is allowed.
        drained: so much of a larger one is read and dropped, so that the client gets to read the answer.

    Raises:
        Disconnected: before the body was whole.
    """
    declared = dict(headers).get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > drained:
        return None
    size, chunks, more = 0, [], True
    while more and size <= drained:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= most:
            chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks) if size <= most else None


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, as one message; then whatever the server says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
