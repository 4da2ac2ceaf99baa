"""Prepared eyes that the data sets of one process share: `scripts.compare` trains many networks on the same ones."""

from __future__ import annotations

import hashlib
import itertools
import os
import pickle
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from bundle.data.file_state import file_states

Item = dict[Hashable, Any]
PLAIN = (str, int, float, bool, bytes, type(None), np.generic)

MOST_BYTES = 3 * 2**30  # of randomly changed eyes, a process

_items: dict[Hashable, Item] = {}
_streams: dict[Hashable, SharedStream] = {}
_owner: str | None = None
_alone = itertools.count()


class SharedStream:
    """Randomly changed eyes by (epoch, position), kept as long as there is room: what is left out is made anew."""

    def __init__(self) -> None:
        self._items: dict[tuple[int, int], Item] = {}
        self._bytes = 0

    def get(self, key: tuple[int, int]) -> Item | None:
        """The eye, or None."""
        return self._items.get(key)

    def put(self, key: tuple[int, int], item: Item) -> None:
        """Keep an eye, if there is room."""
        size = sum(getattr(value, "nbytes", 0) for value in item.values())
        if self._bytes + size <= MOST_BYTES:
            self._items[key] = item
            self._bytes += size


def shared_stream(key: Hashable) -> SharedStream:
    """The stream of one data set, random pipeline and seed. Only the newest is kept: trainings come seed by seed."""
    if key not in _streams:
        _streams.clear()
        _streams[key] = SharedStream()
    return _streams[key]


def share_items_of(owner: str) -> None:
    """Say whose eyes the data sets to come have; those of another owner are dropped, to free their memory."""
    global _owner
    if owner != _owner:
        _items.clear()
        _streams.clear()
        _owner = owner


def identity(raw: Item) -> Hashable:
    """Equal for eyes with the same files and the same other values."""
    return tuple((name, _identity(value)) for name, value in sorted(raw.items(), key=str))


def shared(prepare: Callable[[Item], Item], pipeline: Hashable, raw: Item) -> Item:
    """`prepare(raw)`, done once for the same files, the same other values and the same pipeline.

    Args:
        pipeline: `fingerprint` of the transforms that `prepare` applies.
    """
    key = (pipeline, identity(raw))
    if key not in _items:
        _items[key] = prepare(raw)
    return _items[key]


def fingerprint(transforms: Sequence[Any]) -> str:
    """Equal for transforms of the same classes with the same attributes, and different otherwise.

    Attributes are compared as pickle would store them, but for the state of random numbers, which a data set sets anew
    for every eye. What pickle cannot store, such as a lambda, is equal to nothing.
    """
    return lasting_fingerprint(transforms) or f"like no other: {next(_alone)}"


def lasting_fingerprint(transforms: Sequence[Any]) -> str | None:
    """`fingerprint`, the same in every process; None for what pickle cannot store."""
    try:
        return hashlib.sha256(repr(_content(transforms)).encode()).hexdigest()
    except (TypeError, AttributeError, RecursionError, pickle.PickleError):
        return None


def _identity(value: Any) -> Hashable:
    """Of a file: its state, so that a file that was replaced is read anew."""
    return file_states(value) if isinstance(value, str) and os.path.exists(value) else repr(value)


def _content(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return type(value).__name__, repr(value)
    if isinstance(value, np.random.RandomState):
        return type(value).__name__
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        return str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()
    if isinstance(value, Mapping):
        return [(_content(key), _content(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_content, value)]
    if isinstance(value, set | frozenset):  # its order is another one in every process
        return [type(value).__name__, *sorted(map(_content, value), key=repr)]
    if isinstance(value, type | FunctionType):
        if "<" in value.__qualname__:
            raise TypeError(f"{value.__qualname__} has no name of its own")
        return value.__module__, value.__qualname__
    parts = value.__reduce_ex__(2)  # class, arguments, attributes
    return parts if isinstance(parts, str) else [_content(list(p) if isinstance(p, Iterator) else p) for p in parts]
