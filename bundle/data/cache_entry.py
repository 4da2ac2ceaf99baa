"""A prepared eye as one file that can be mapped into memory, and from which no code is ever run.

SHA-256 of all that follows (32 bytes); length of the header (8 bytes, little-endian); header (JSON); then, each from a
multiple of 64 bytes on, the tensors as they lie in memory. The header holds, by key of the item, how to make its value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch

Item = dict[Hashable, Any]

_ALIGNMENT = 64
_HEADER_AT = 40
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_DTYPES = {str(dtype): dtype for dtype in (*_FLOATS, *_WHOLE)}
_EYES = ("OD", "OS")


class UnstorableError(TypeError):
    """A value that an entry cannot hold; the message names the key and the type."""


class DamagedError(ValueError):
    """A file that is not, or no longer, what was written."""


def encode(item: Mapping[Hashable, Any], raw: Mapping[Hashable, Any]) -> bytes:
    """The content of an entry.

    item: plain dense CPU tensors, numbers, True, False, None, "OD", "OS", tuples and lists of these. Other text could
        be a path or a name, so it is not stored: it must be that of `raw` under the same key, from where it returns.
    Raises UnstorableError for anything else.
    """
    header: dict[str, Any] = {}
    body = bytearray()
    for key, value in item.items():
        if not isinstance(key, str):
            raise UnstorableError(f"a key of type {type(key).__name__}")
        if isinstance(value, torch.Tensor):
            tensor = _plain(key, value)
            header[key] = {"dtype": str(tensor.dtype), "shape": list(tensor.shape), "at": len(body)}
            body += _pad(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(value, str) and value not in _EYES and raw.get(key) == value:
            header[key] = {"raw": True}
        else:
            header[key] = {"value": _to_json(key, value)}
    text = json.dumps(header).encode()
    start = len(text).to_bytes(_HEADER_AT - 32, "little") + text
    content = start + bytes(-(32 + len(start)) % _ALIGNMENT) + bytes(body)
    return hashlib.sha256(content).digest() + content


def decode(path: Path, raw: Mapping[Hashable, Any]) -> Item:
    """The item of an entry, its tensors mapped: pages are read as they are used, and processes share them.

    The mapping is private: what anyone writes into a tensor stays in their memory and never reaches the file.
    Raises DamagedError when the content is not what was written, OSError where the file cannot be read.
    """
    data = _map(path)
    if data.numel() < _HEADER_AT or hashlib.sha256(data[32:].numpy().data).digest() != bytes(data[:32].tolist()):
        raise DamagedError("checksum")
    length = int.from_bytes(bytes(data[32:_HEADER_AT].tolist()), "little")
    header = json.loads(data[_HEADER_AT : _HEADER_AT + length].numpy().tobytes())
    body = data[-(-(_HEADER_AT + length) // _ALIGNMENT) * _ALIGNMENT :]
    return {key: _value(key, how, body, raw) for key, how in header.items()}


def _map(path: Path) -> torch.Tensor:
    """The bytes of a file; without a file descriptor that stays open, as numpy's and Python's maps keep one each."""
    size = path.stat().st_size
    if size < _HEADER_AT:
        raise DamagedError("length")
    try:
        return torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    except RuntimeError:  # no more maps allowed, a file system without them, or the file is gone
        return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)


def _value(key: str, how: Mapping[str, Any], body: torch.Tensor, raw: Mapping[Hashable, Any]) -> Any:
    if "raw" in how:
        return raw[key]
    if "value" in how:
        return _from_json(how["value"])
    dtype, shape = _DTYPES[how["dtype"]], torch.Size(how["shape"])
    content = body[how["at"] : how["at"] + shape.numel() * dtype.itemsize]
    return content.view(dtype).view(shape).data  # counts its writes alone, not with the other tensors of the entry


def _plain(key: str, value: torch.Tensor) -> torch.Tensor:
    known = type(value) is torch.Tensor and value.layout == torch.strided and value.device.type == "cpu"
    if not known or value.requires_grad or str(value.dtype) not in _DTYPES:
        raise UnstorableError(f"key {key!r}: {type(value).__name__} of {value.dtype} on {value.device}")
    return value


def _pad(content: bytes) -> bytes:
    return content + bytes(-len(content) % _ALIGNMENT)


def _to_json(key: str, value: Any) -> Any:
    if value is None or type(value) in (bool, int, float) or (isinstance(value, str) and value in _EYES):
        return value
    if type(value) is list:
        return [_to_json(key, one) for one in value]
    if type(value) is tuple:
        return {"tuple": [_to_json(key, one) for one in value]}
    raise UnstorableError(f"key {key!r}: {'text' if isinstance(value, str) else type(value).__name__}")


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(_from_json(one) for one in value["tuple"])
    return [_from_json(one) for one in value] if isinstance(value, list) else value
