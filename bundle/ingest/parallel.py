"""One function over many items in several processes, with a progress bar; results come in the items' order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from bundle.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
_ALONE = 8  # so few items are done sooner than another process starts


def run_all(
    work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int, label: str, progress: bool, chunk: int = 1
) -> list[Result]:
    """`work` of every item. A spawned process gets `chunk` items at a time; with jobs=1 all is done here.

    Raises InputError when a process dies, for want of memory as a rule; what `work` wrote until then stays.
    """
    hidden = None if progress else True  # None: no bar unless stderr is a terminal
    try:
        results = _results(work, items, jobs, chunk)
        return list(tqdm(results, total=len(items), desc=label, unit="file", disable=hidden))
    except BrokenProcessPool as error:
        raise InputError(
            f"{label}: a process died, perhaps for want of memory; run again with fewer --jobs, what is done is kept"
        ) from error


def _results(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, chunk: int) -> Iterator[Result]:
    jobs = min(jobs, -(-len(items) // chunk))
    if jobs <= 1 or len(items) <= _ALONE:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(work, items, chunksize=chunk)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
