"""Keeps Python's garbage collector from walking through all of torch again and again while a header is parsed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No automatic collection inside; also a decorator.

    pydicom makes ten thousands of small objects of a header with hundreds of frames, which starts collections of
    everything that is loaded: with torch and MONAI they take as long as the parsing. Nothing is lost, only collected
    later. Threads may be in it at the same time: the first to come and leave sets the collector back as it was.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
