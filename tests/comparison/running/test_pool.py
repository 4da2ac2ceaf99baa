"""Real processes: a death is blamed on its cell, and one process runs many cells."""

from __future__ import annotations

import multiprocessing
import os
import time

from bundle.comparison import Cell, Outcome, run_cells
from bundle.comparison.running.pool import spawned_process


def process_or_death(cell: Cell) -> Outcome:
    if cell.method == "deadly":
        os._exit(9)
    return Outcome(cell, float(os.getpid()))


def quick_or_long(cell: Cell) -> Outcome:
    if cell.method == "long":
        time.sleep(120)
    return Outcome(cell, 0.0)


def threads(_: Cell) -> Outcome:
    import torch

    return Outcome(_, float(torch.get_num_threads()))


def test_dead_process_fails_its_cell_only_and_others_share_one_process(tmp_path):
    names = ["a", "b", "deadly", "c", "d"]
    cells = [Cell(name, 0, None, tmp_path / name) for name in names]
    outcomes = {o.cell.method: o for o in run_cells(cells, 1, process_or_death, lambda: spawned_process(1))}
    assert [name for name in names if outcomes[name].error] == ["deadly"]
    assert "its process died" in str(outcomes["deadly"].error)
    assert outcomes["a"].seconds == outcomes["b"].seconds != outcomes["c"].seconds == outcomes["d"].seconds


def test_leaving_early_ends_the_process_at_work(tmp_path):
    cells = [Cell("quick", 0, None, tmp_path / "quick"), Cell("long", 0, None, tmp_path / "long")]
    began = time.monotonic()
    for outcome in run_cells(cells, 2, quick_or_long, lambda: spawned_process(1)):
        assert outcome.cell.method == "quick"
        break
    while multiprocessing.active_children():
        assert time.monotonic() - began < 60
        time.sleep(0.05)


def test_process_keeps_to_its_threads(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cells = [Cell("a", 0, None, tmp_path / "a")]
    (outcome,) = run_cells(cells, 1, threads, lambda: spawned_process(1))
    assert outcome.seconds == 1.0
