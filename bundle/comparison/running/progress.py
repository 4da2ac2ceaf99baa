"""Cells done, cells failed, time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from bundle.comparison.planning.plan import LOG_FILE
from bundle.comparison.running.cell import Outcome


class CellProgress:
    """A bar on a terminal, a line a cell elsewhere; a failed cell always gets its line, with its log file.

    Args:
        total: cells of the study.
        done: how many of them were finished before.

    Used as a context manager around `watch`.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total, self.before, self.done = total, done, done
        self._began = time.perf_counter()
        self.bar = tqdm(total=total, initial=done, desc="trainings", unit="cell", disable=not sys.stderr.isatty())

    def __enter__(self) -> CellProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def watch(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass the outcomes on, telling each."""
        for outcome in outcomes:
            self.done += 1
            self.bar.update()
            if outcome.error is not None:
                log = outcome.cell.folder / LOG_FILE
                tqdm.write(f"failed: {outcome.cell.name}: {outcome.error} (log: {log})", file=sys.stderr)
            elif self.bar.disable:
                place = f"[{self.done}/{self.total}]"
                print(f"{place} {outcome.cell.name}: {outcome.seconds:.0f} s, {self._left()}", flush=True)
            yield outcome

    def _left(self) -> str:
        """Time left at the pace so far, whatever the number of processes."""
        pace = (time.perf_counter() - self._began) / (self.done - self.before)
        minutes, seconds = divmod(round(pace * (self.total - self.done)), 60)
        return f"about {minutes} min {seconds:02d} s left"
