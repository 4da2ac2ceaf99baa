"""Damages the seeds of `scripts.fuzz_seeds`: what a seed and a number give is always the same."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from scripts.fuzz_seed import Seed
from scripts.fuzz_seeds import seeds

_HEADER_BYTES = 600  # where most numbers that a reader believes stand
_LENGTHS = (0, 1, 0x7F, 0xFF, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


def case(seed: int, number: int) -> tuple[str, Seed, dict[str, bytes]]:
    """Format, its seed and the damaged files of one number; the same whenever it is asked for."""
    names = list(seeds())
    name = names[number % len(names)]
    origin, rng = seeds()[name], np.random.default_rng((seed, number))
    files = dict(origin.files)
    chosen = next(iter(files)) if rng.random() < 0.5 else list(files)[rng.integers(len(files))]
    files[chosen] = damaged(files[chosen], rng)
    if origin.pack is not None:
        files = {key: origin.pack(content) for key, content in files.items()}
    return name, origin, files


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy with one to four kinds of damage, half of them near its start."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        if len(data) < 8:
            break
        reach = min(len(data), _HEADER_BYTES) if rng.random() < 0.5 else len(data)
        at, length = int(rng.integers(reach)), int(rng.integers(1, max(2, min(4096, len(data) // 4))))
        _DAMAGES[rng.integers(len(_DAMAGES))](data, at, length, rng)
    return bytes(data)


def _flip(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    for offset in rng.integers(0, length, 1 + length // 256):
        if at + offset < len(data):
            data[at + offset] ^= 1 << int(rng.integers(8))


def _overwrite(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    data[at : at + length % 64 + 1] = rng.bytes(length % 64 + 1)


def _splice(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    data[at : at + length] = data[start : start + length]


def _truncate(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    del data[at if rng.random() < 0.3 else max(0, len(data) - length) :]


def _inflate(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    """A number that could be a length or a count becomes an extreme one."""
    value, kind = _LENGTHS[rng.integers(len(_LENGTHS))], ("<I", ">I", "<H", ">H")[rng.integers(4)]
    at -= at % 2
    raw = struct.pack(kind, value & (0xFFFF if kind[1] == "H" else 0xFFFFFFFF))
    data[at : at + len(raw)] = raw


def _repeat(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    data[at:at] = data[at : at + length] * int(rng.integers(1, 4))


def _zeros(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    length = min(length, len(data) - at)
    data[at : at + length] = bytes(length)


_DAMAGES = (_flip, _overwrite, _splice, _truncate, _inflate, _inflate, _repeat, _zeros)


def write_case(folder: Path, origin: Seed, files: dict[str, bytes]) -> Path:
    """Write the files of a case into a new folder; returns the path to read."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / origin.name
