"""Initial weights that depend on the seed and on the part alone, not on what else the network has."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def empty_weights_allowed() -> Iterator[None]:
    """No warning of torch about a layer without weights: the head of an encoder without features is one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors is a no-op")
        yield


@contextmanager
def part_stream(seed: int | None, part: str) -> Iterator[None]:
    """Random numbers of torch's CPU generator that are a function of (seed, part); afterwards it goes on as before.

    Two networks that are compared then begin with the same weights wherever they have the same part.

    Args:
        seed: None leaves the generator alone.
        part: name, for example "oct_encoder".
    """
    with empty_weights_allowed():
        if seed is None:
            yield
            return
        before = torch.get_rng_state()
        sequence = np.random.SeedSequence([seed, zlib.crc32(part.encode())])
        torch.default_generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
        try:
            yield
        finally:
            torch.set_rng_state(before)
