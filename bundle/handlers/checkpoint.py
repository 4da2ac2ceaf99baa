"""Checkpoints that hold every state, are written atomically, and continue bit for bit."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver

from bundle.engines.distributed import rank
from bundle.errors import InputError
from bundle.weights import load_weights_only

logger = logging.getLogger(__name__)


class RngState:
    """State of Python's, NumPy's and torch's generators as tensors and plain values, for weights_only loading."""

    def state_dict(self) -> dict[str, Any]:
        kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
        state = {
            "torch": torch.get_rng_state(),
            "numpy": {"kind": kind, "keys": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
                      "position": int(position), "has_gauss": int(has_gauss), "cached": float(cached)},
            "python": [random.getstate()[0], list(random.getstate()[1]), random.getstate()[2]],
        }  # fmt: skip
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state_all()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch.set_rng_state(state["torch"].cpu())
        numpy = state["numpy"]
        keys = numpy["keys"].cpu().numpy().astype(np.uint32)
        np.random.set_state((numpy["kind"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"]))  # noqa: NPY002
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal), gauss))
        if "cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])


class _Stopped:
    """Whether training had been stopped early when the checkpoint was written."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.value = engine, False

    def state_dict(self) -> dict[str, Any]:
        return {"stopped": bool(self.engine.should_terminate)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value = bool(state["stopped"])


class _SaveThenRemove(DiskSaver):
    """ignite removes the outdated checkpoint before writing the new one; here it goes after, and may be gone."""

    _outdated: tuple[str, ...] = ()

    def remove(self, filename: str) -> None:
        self._outdated = (*self._outdated, filename)

    def __call__(self, checkpoint: Mapping, filename: str, metadata: Mapping | None = None) -> None:
        super().__call__(checkpoint, filename, metadata)
        for name in self._outdated:
            if name != filename:
                (Path(self.dirname) / name).unlink(missing_ok=True)
        self._outdated = ()


class CheckpointHandler:
    """Saves the whole state of training at every epoch's end and, on request, continues from one.

    In a file: network, optimiser, the trainer's epoch and iteration, the running sharpness, random generators,
    `extra`, and every handler of the trainer that has a state (label density, feature queues, running errors,
    history, early stopping): a handler cannot be forgotten. Written with ignite's atomic saver; the newest `n_saved`
    are kept and an old one is removed only after the new one is in place. Loaded with weights_only.

    Attach it last, so that a checkpoint is written after all that an epoch's end changes.

    Args:
        output_dir: checkpoints go to `output_dir/checkpoints`.
        resume: None, a checkpoint file, or a run's folder, of which the newest checkpoint is taken.
        extra: more objects with a state, by name, for example the learning-rate scheduler.
        save_interval: epochs between checkpoints.
        n_saved: checkpoints kept, 2 or more.

    Raises:
        InputError: nothing to resume from, a damaged file, or a checkpoint of another configuration.
    """

    def __init__(
        self,
        output_dir: str,
        resume: str | None = None,
        extra: dict[str, Any] | None = None,
        save_interval: int = 1,
        n_saved: int = 2,
    ) -> None:
        if n_saved < 2:
            raise InputError(f"CheckpointHandler: n_saved is {n_saved}; expected 2 or more: one always survives")
        self.folder = Path(output_dir) / "checkpoints"
        self.resume = find_checkpoint(resume) if resume else None
        self.extra, self.save_interval, self.n_saved = extra or {}, save_interval, n_saved

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.save_interval), self._save)

    def objects(self, engine: Any) -> dict[str, Any]:
        """Everything with a state, by name."""
        found = {
            "trainer": engine,
            "network": engine.training_network,
            "optimizer": engine.optimizer,
            "sharpness": engine.sharpness,
            "look_ahead": engine.look_ahead,
            "rng": RngState(),
            "stopped": self._stopped,
            **self.extra,
        }
        for handler in engine.attached_handlers:
            if hasattr(handler, "state_dict") and handler is not self:
                name = type(handler).__name__
                while name in found:
                    name += "_"
                found[name] = handler
        return found

    def _start(self, engine: Any) -> None:
        self._stopped = _Stopped(engine)
        if rank() == 0:
            for path in self.folder.glob("tmp*"):  # what a killed process was writing; ignite names it so
                path.unlink(missing_ok=True)
        objects = self.objects(engine)
        saver = _SaveThenRemove(str(self.folder), atomic=True, create_dir=True, require_empty=False)
        self._checkpoint = Checkpoint(
            objects, saver, n_saved=self.n_saved, filename_pattern="{filename_prefix}_epoch={global_step}.pt",
            filename_prefix="checkpoint", global_step_transform=lambda trainer, _: trainer.state.epoch,
            include_self=True,
        )  # fmt: skip
        if self.resume:
            self._load(engine, objects)

    def _load(self, engine: Any, objects: dict[str, Any]) -> None:
        max_epochs, epoch_length = engine.state.max_epochs, engine.state.epoch_length
        assert self.resume is not None
        state = load_weights_only(self.resume, engine.state.device)
        try:
            Checkpoint.load_objects({**objects, "checkpointer": self._checkpoint}, state)
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{self.resume.name}: does not fit this configuration ({reason}); resume with the config it comes from"
            ) from error
        engine.state.max_epochs = max_epochs
        if engine.state.epoch_length != epoch_length:
            raise InputError(
                f"{self.resume.name}: has {engine.state.epoch_length} batches an epoch, this run has {epoch_length}; "
                "resume with the manifest and batch_size it comes from"
            )
        if engine.state.epoch > max_epochs:
            raise InputError(
                f"{self.resume.name}: is of epoch {engine.state.epoch} but max_epochs is {max_epochs}; raise max_epochs"
            )
        logger.info("resumed after epoch %d from %s", engine.state.epoch, self.resume.name)
        if self._stopped.value:
            engine.terminate()

    def _save(self, engine: Engine) -> None:
        if rank() == 0:
            self._checkpoint(engine)


def find_checkpoint(resume: str) -> Path:
    """The file itself, or the newest checkpoint of a run's folder.

    Raises:
        InputError: there is none.
    """
    path = Path(resume)
    if path.is_file():
        return path
    found = checkpoints_in(path) | checkpoints_in(path / "checkpoints")
    if not found:
        raise InputError(f"resume: no checkpoint_epoch=N.pt in {resume}; give a run's folder, for example eval/latest")
    return found[max(found)]


def checkpoints_in(folder: Path) -> dict[int, Path]:
    """The checkpoints that lie in a folder, by epoch."""
    return {int(path.stem.rpartition("=")[2]): path for path in folder.glob("checkpoint_epoch=*.pt")}
