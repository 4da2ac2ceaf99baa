"""A progress bar on a terminal, one quiet line an epoch elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from ignite.engine import Engine, Events
from tqdm import tqdm

from bundle.engines.distributed import rank

logger = logging.getLogger(__name__)


class ProgressHandler:
    """Epochs done, validation error so far, time left.

    Attach it after the HistoryHandler. On a terminal a bar that moves every step; in a file or a pipe a line an epoch.

    Args:
        metric: column of the history that is shown.
        unit: its unit.
        every: epochs between two lines where there is no terminal.
    """

    def __init__(self, metric: str = "val_mse", unit: str = "dB^2", every: int = 1) -> None:
        self.metric, self.unit, self.every = metric, unit, every
        self.bar: Any = None

    def attach(self, engine: Engine) -> None:
        if rank() != 0:
            return
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
        engine.add_event_handler(Events.COMPLETED, self._stop)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._raised)

    def _start(self, engine: Engine) -> None:
        self._began, self._first = time.perf_counter(), engine.state.epoch
        if sys.stderr.isatty():
            self.bar = tqdm(
                total=engine.state.max_epochs, initial=engine.state.epoch, desc="training", unit="epoch",
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} epochs [{elapsed}<{remaining}{postfix}]",
            )  # fmt: skip

    def _step(self, engine: Engine) -> None:
        if self.bar is not None:
            self.bar.update(1 / engine.state.epoch_length)

    def _epoch(self, engine: Engine) -> None:
        row = engine.state.history.rows[-1]
        best_epoch = engine.state.history.best_epoch(self.metric)
        text = f"{self.metric} {row.get(self.metric, float('nan')):.2f} {self.unit}, best in epoch {best_epoch}"
        if self.bar is not None:
            self.bar.n = engine.state.epoch
            self.bar.set_postfix_str(text)
            return
        if engine.state.epoch % self.every and engine.state.epoch != engine.state.max_epochs:
            return
        done = engine.state.epoch - self._first
        left = (time.perf_counter() - self._began) / max(done, 1) * (engine.state.max_epochs - engine.state.epoch)
        logger.info("epoch %d/%d: %s, %.0f s left", engine.state.epoch, engine.state.max_epochs, text, left)

    def _stop(self, engine: Engine) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _raised(self, engine: Engine, error: Exception) -> None:
        self._stop(engine)
        raise error
