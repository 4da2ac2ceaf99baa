"""One cell: a training by the path that a user's own takes, in a process that may run many."""

from __future__ import annotations

import gc
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.comparison.planning.plan import DONE_FILE, LOG_FILE, PREDICTIONS_FILE, Cell
from bundle.comparison.running.environment import git_commit
from bundle.data.shared_items import share_items_of
from bundle.errors import InputError, find_input_error
from bundle.reporting.atomic import write_bytes_atomic, write_json_atomic


@dataclass(frozen=True)
class Outcome:
    """How a cell ended; `error` is one line, None for success. `seconds` of this process, start to end."""

    cell: Cell
    seconds: float
    error: str | None = None


def run_cell(cell: Cell) -> Outcome:
    """Train, predict and mark the cell as done; an exception becomes the outcome's `error`, in full in log.txt.

    A cell that was stopped goes on from its newest checkpoint, or from its beginning when that cannot be used.
    """
    began = time.perf_counter()
    error = None
    cell.folder.mkdir(parents=True, exist_ok=True)
    share_items_of(str(cell.folder.parent))
    with output_to(cell.folder / LOG_FILE):
        try:
            _train(cell)
        except Exception as failure:
            traceback.print_exc()
            cause = find_input_error(failure) or _root(failure)
            text = str(cause).strip().splitlines() or [""]
            error = f"{type(cause).__name__}: {text[0]}" if not isinstance(cause, InputError) else text[0]
    gc.collect()  # a workflow is full of cycles; without this its data would stay until the next one is loaded
    return Outcome(cell, time.perf_counter() - began, error)


def _train(cell: Cell) -> None:
    run = cell.folder / "run"
    if any((run / "checkpoints").glob("checkpoint_epoch=*.pt")):
        try:
            facts = train_once(cell, run, resume=str(run))
        except Exception as failure:
            if find_input_error(failure) is None:
                raise
            print(f"cannot resume ({find_input_error(failure)}); starting again", file=sys.stderr)
            shutil.rmtree(run)
            facts = train_once(cell, run, resume=None)
    else:
        facts = train_once(cell, run, resume=None)
    write_bytes_atomic(cell.folder / PREDICTIONS_FILE, (run / "test" / "predictions.csv").read_bytes())
    write_json_atomic(cell.folder / DONE_FILE, facts)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)  # only a training that goes on needs them


def train_once(cell: Cell, run: Path, resume: str | None) -> dict[str, Any]:
    """The whole training, and what it cost.

    gradient_evaluations: forward-backward passes on a batch.
    val_...: validation metrics of the epoch that validation chose.
    """
    from monai.bundle import ConfigWorkflow

    keys = {**cell.overrides, "output_dir": str(run), "resume": resume}
    workflow = ConfigWorkflow(config_file=list(cell.config_files), workflow_type="train", **keys)
    workflow.initialize()
    workflow.run()
    trainer = workflow.parser.get_parsed_content("train#trainer")
    rows = list(trainer.state.history)
    facts: dict[str, Any] = {
        "seconds": sum(row["seconds"] for row in rows),
        "epochs": len(rows),
        "gradient_evaluations": round(trainer.state.epoch_length * sum(gradient_passes(row) for row in rows)),
        "commit": git_commit(),
        "chosen_epoch": trainer.state.history.best_epoch("val_mse"),
    }
    chosen: dict[str, float] = next((row for row in rows if row["epoch"] == facts["chosen_epoch"]), {})
    facts |= {name: value for name, value in chosen.items() if name.startswith("val_") and math.isfinite(value)}
    workflow.finalize()
    return facts


def gradient_passes(row: Mapping[str, float]) -> float:
    """Mean number of forward-backward passes a step of one epoch; where the trainer does not tell, 2 with an ascent."""
    return row.get("gradient_passes", 1.0 + (row.get("rho", 0.0) > 0))


def _root(error: BaseException) -> BaseException:
    """The exception that began it: MONAI wraps what a component raises."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Append this process's standard output and error to a file, also what C code writes."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with path.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, old in zip((1, 2), kept, strict=True):
            os.dup2(old, stream)
            os.close(old)
