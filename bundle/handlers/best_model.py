"""Keeps the network of the best validation epoch as a model folder."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bundle.deploy.model_folder import WEIGHTS, save_model
from bundle.engines.distributed import rank

logger = logging.getLogger(__name__)


class BestModelHandler:
    """Writes `model.pt` and `model.json` whenever a column of the history reaches a new minimum.

    Attach it after the HistoryHandler. The old model stays until the new one is complete.

    Args:
        output_dir: folder of the model.
        metric: column of the history, lower is better; selection is on validation, never on test.
        description: plain values for model.json, for example the input grids and the cohort's digest.
    """

    def __init__(self, output_dir: str, metric: str = "val_mse", description: dict[str, Any] | None = None) -> None:
        self.folder, self.metric, self.description = Path(output_dir), metric, description or {}
        self.best, self.best_epoch = math.inf, 0

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        value = engine.state.history.rows[-1].get(self.metric, math.nan)
        if not value < self.best:
            return
        self.best, self.best_epoch = value, engine.state.epoch
        if rank() == 0:
            selection = {"epoch": self.best_epoch, self.metric: value}
            save_model(self.folder, engine.training_network.regressor, {**self.description, "selection": selection})

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if (self.folder / WEIGHTS).is_file():
            self.best, self.best_epoch = state["best"], state["best_epoch"]
        elif state["best_epoch"]:
            logger.warning("no %s in %s: the best model is chosen from the epochs to come", WEIGHTS, self.folder)
