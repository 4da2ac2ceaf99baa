"""Keeps each modality's own best epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bundle.deploy.model_folder import WEIGHTS, save_model
from bundle.engines.distributed import rank
from bundle.handlers.best_model import BestModelHandler


class BestPartsHandler(BestModelHandler):
    """`BestModelHandler` for networks that are trained apart: encoder and head of m from the best epoch of m.

    The saved model is put together from those parts; what belongs to no modality is of the newest epoch, so the fusion
    should have no weights.

    Args:
        output_dir, description: as in `BestModelHandler`.
        metrics: column of the history by modality, lower is better.
    """

    def __init__(self, output_dir: str, metrics: Mapping[str, str], description: dict[str, Any] | None = None) -> None:
        super().__init__(output_dir, " + ".join(metrics.values()), description)
        self.metrics = dict(metrics)
        self.bests: dict[str, dict[str, float]] = {}
        self.parts: dict[str, dict[str, Tensor]] = {}

    def __call__(self, engine: Any) -> None:
        row, regressor = engine.state.history.rows[-1], engine.training_network.regressor
        # a run that goes on in another folder has its parts from the checkpoint, but no file yet
        improved = bool(self.parts) and not (self.folder / WEIGHTS).is_file()
        for modality, column in self.metrics.items():
            value = row.get(column, math.nan)
            if value < self.bests.get(modality, {}).get(column, math.inf):
                improved = True
                self.bests[modality] = {"epoch": engine.state.epoch, column: value}
                self.parts[modality] = _part(regressor, modality)
        if improved and rank() == 0:
            self._save(regressor)

    def _save(self, regressor: Any) -> None:
        chosen = copy.deepcopy(regressor).cpu()
        state = chosen.state_dict()
        for part in self.parts.values():
            state |= part
        chosen.load_state_dict(state)
        save_model(self.folder, chosen, {**self.description, "selection": copy.deepcopy(self.bests)})

    def state_dict(self) -> dict[str, Any]:
        return {"bests": copy.deepcopy(self.bests), "parts": {name: dict(part) for name, part in self.parts.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.bests = copy.deepcopy(state["bests"])
        self.parts = {
            name: {key: tensor.cpu() for key, tensor in part.items()} for name, part in state["parts"].items()
        }


def _part(regressor: Any, modality: str) -> dict[str, Tensor]:
    """Encoder and head of a modality, copied."""
    prefixes = (f"{modality}_encoder.", f"{modality}_head.")
    own = {name: tensor for name, tensor in regressor.state_dict().items() if name.startswith(prefixes)}
    return {name: tensor.detach().cpu().clone() for name, tensor in own.items()}
