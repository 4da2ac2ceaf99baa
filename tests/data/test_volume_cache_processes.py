"""Several processes on one cache, some of them killed: what is there afterwards is whole."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from bundle.data.volume_cache import VolumeCache

N_EYES = 6
N_VALUES = 500_000  # 2 MB, so that a kill often falls into a write


class Number:
    """Writes the row everywhere."""

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"image": torch.full((N_VALUES,), float(item["row"])), "row": item["row"]}


def eyes(scans: Path) -> list[dict[str, Any]]:
    return [{"image": str(scans / f"{row}.npz"), "row": row} for row in range(N_EYES)]


class Stop(logging.Handler):
    """Ends the process at the first warning: nothing is ever damaged, however many write at once."""

    def emit(self, record: logging.LogRecord) -> None:
        os._exit(3)


def write_for_ever(scans: Path, folder: Path, started: Any, seed: int) -> None:
    torch.set_num_threads(1)
    logging.getLogger("bundle").addHandler(Stop(logging.WARNING))
    cache, prepare, generator = VolumeCache(folder, [Number()]), Number(), random.Random(seed)
    started.release()
    while True:
        raw = generator.choice(eyes(scans))
        image = cache.prepared(prepare, raw)["image"]
        assert bool((image == raw["row"]).all())
        path = cache.path(raw)
        assert path is not None
        path.unlink(missing_ok=True)  # so that it is written again, by all at once


def test_killed_writers_leave_whole_entries_or_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scans, folder = tmp_path / "scans", tmp_path / "cache"
    scans.mkdir()
    for raw in eyes(scans):
        Path(raw["image"]).write_bytes(b"scan")
    context = multiprocessing.get_context("spawn")
    started = context.Semaphore(0)
    writers = [
        context.Process(target=write_for_ever, args=(scans, folder, started, seed), daemon=True) for seed in range(4)
    ]
    for writer in writers:
        writer.start()
    assert all(started.acquire(timeout=300) for _ in writers)
    generator = random.Random(0)
    for writer in writers:
        time.sleep(generator.uniform(0.1, 0.4))
        assert writer.exitcode is None, "stopped by itself: it found a wrong eye or a damaged entry"
        writer.kill()  # SIGKILL
        writer.join()
    left = list(folder.glob("??/*.eye"))
    cache, made = VolumeCache(folder, [Number()]), []

    def prepare(raw: dict[str, Any]) -> dict[str, Any]:
        made.append(raw["row"])
        return Number()(raw)

    with caplog.at_level(logging.WARNING):
        for raw in eyes(scans):
            item = cache.prepared(prepare, raw)
            assert bool((item["image"] == raw["row"]).all())
    assert caplog.text == ""  # nothing damaged, nothing that cannot be written
    assert len(left) + len(made) == N_EYES
    assert len(list(folder.glob("??/*"))) == N_EYES
