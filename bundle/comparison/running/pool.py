"""Cells over processes: each process runs one after the other, and takes nobody with it when it dies."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from functools import partial

from bundle.comparison.planning.plan import Cell
from bundle.comparison.running.cell import Outcome, run_cell
from bundle.reporting.provenance import cores

Runner = Callable[[Cell], Outcome]


def run_cells(
    cells: Sequence[Cell], jobs: int, runner: Runner = run_cell, new_process: Callable[[], Executor] | None = None
) -> Iterator[Outcome]:
    """Run the cells that are not done; yields each outcome as it comes.

    Each of `jobs` lanes owns one process, so that a death (memory, kill) is blamed on the right cell; the lane then
    starts another process. Leaving the iterator early, or Ctrl-C, starts no further cell and ends the processes.

    Args:
        cells: finished ones are skipped.
        jobs: processes; each gets its share of the cores as threads.
        runner: what a process does with a cell.
        new_process: an executor with one worker; by default a spawned process.
    """
    waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    todo = [cell for cell in cells if not cell.done]
    for cell in todo:
        waiting.put(cell)
    jobs = max(1, min(jobs, len(todo)))
    new_process = new_process or partial(spawned_process, max(1, cores() // jobs))
    outcomes: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
    stop = threading.Event()
    lanes = [
        threading.Thread(target=_lane, args=(waiting, outcomes, stop, runner, new_process), daemon=True)
        for _ in range(jobs if todo else 0)
    ]
    for lane in lanes:
        lane.start()
    try:
        for _ in todo:
            outcome = outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    except BaseException:  # an error, Ctrl-C, or the caller left the iterator
        stop.set()
        end_children()
        raise
    for lane in lanes:
        lane.join()


def end_children() -> None:
    """End the processes at work; their cells go on from a checkpoint next time."""
    for child in multiprocessing.active_children():
        child.terminate()


def _lane(
    waiting: queue.SimpleQueue[Cell], outcomes: queue.SimpleQueue[Outcome | BaseException], stop: threading.Event,
    runner: Runner, new_process: Callable[[], Executor],
) -> None:  # fmt: skip
    """Take cells until there are none, in one process after another."""
    process = new_process()
    try:
        while not stop.is_set():
            try:
                cell = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                outcomes.put(process.submit(runner, cell).result())
            except BrokenExecutor:
                outcomes.put(Outcome(cell, 0.0, "its process died, perhaps for want of memory; fewer --jobs may help"))
                process = new_process()
            except BaseException as error:
                outcomes.put(error)
                break
    finally:
        process.shutdown(wait=not stop.is_set(), cancel_futures=True)


def spawned_process(threads: int) -> Executor:
    """One fresh process that keeps `threads` threads and ends with this one."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_prepare, initargs=(threads,))


def _prepare(threads: int) -> None:
    """In the new process, before torch is loaded."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    import torch

    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left to report to; the cell goes on from its checkpoint next time
