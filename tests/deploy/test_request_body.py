"""A body is read whole, up to a limit that neither a header nor its parts can get around."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bundle.deploy.request_body import Disconnected, read_body, replayed

MOST, DRAINED = 10, 40


class Client:
    """Sends the parts one by one, then goes away; counts how often it was asked."""

    def __init__(self, *parts: bytes, whole: bool = True) -> None:
        self.messages: list[dict[str, Any]] = [{"type": "http.request", "body": p, "more_body": True} for p in parts]
        if whole:
            self.messages[-1]["more_body"] = False
        self.asked = 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}


def read(client: Client, *headers: tuple[bytes, bytes]) -> bytes | None:
    return asyncio.run(read_body(list(headers), client, MOST, DRAINED))


def test_a_body_of_exactly_the_limit_is_read_whole() -> None:
    assert read(Client(b"01234", b"56789")) == b"0123456789"


def test_a_message_that_does_not_say_whether_more_follows_is_the_last() -> None:
    client = Client(b"0123")
    del client.messages[0]["more_body"]
    assert read(client) == b"0123"


@pytest.mark.parametrize("parts", [(b"0123456789a",), (b"01234", b"56789", b"a")])
def test_one_byte_more_is_too_large_and_was_still_taken_from_the_client(parts: tuple[bytes, ...]) -> None:
    client = Client(*parts)
    assert read(client) is None
    assert client.messages == []


def test_an_endless_body_is_left_once_enough_was_dropped() -> None:
    client = Client(*[b"x" * 10] * 100)
    assert read(client) is None
    assert client.asked == DRAINED // 10 + 1


def test_an_announced_length_beyond_all_measure_is_not_even_begun() -> None:
    client = Client(b"x")
    assert read(client, (b"content-length", str(DRAINED + 1).encode())) is None
    assert client.asked == 0


def test_a_false_small_length_changes_nothing() -> None:
    assert read(Client(b"0123456789a"), (b"content-length", b"1")) is None


def test_a_client_that_goes_away_is_not_taken_for_a_whole_body() -> None:
    with pytest.raises(Disconnected):
        read(Client(b"012", whole=False))


def test_the_body_is_replayed_once_and_then_the_client_speaks() -> None:
    receive = replayed(b"abc", Client(b"later"))
    first, second = asyncio.run(_two(receive))
    assert (first["body"], first["more_body"], second["body"]) == (b"abc", False, b"later")


async def _two(receive: Any) -> tuple[Any, Any]:
    return await receive(), await receive()
