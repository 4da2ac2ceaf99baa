"""Loads a model's weights before an evaluator runs."""

from __future__ import annotations

from pathlib import Path

import torch
from ignite.engine import Engine, Events

from bundle.errors import InputError
from bundle.weights import load_weights_only


class LoadWeightsHandler:
    """At STARTED: network <- the state dict in `path`, weights_only, every key checked.

    Raises:
        InputError: the file is missing, damaged, or belongs to another network.
    """

    def __init__(self, path: str, network: torch.nn.Module) -> None:
        self.path, self.network = Path(path), network

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        weights = load_weights_only(self.path, engine.state.device)
        try:
            self.network.load_state_dict(weights)
        except (RuntimeError, TypeError) as error:
            raise InputError(
                f"{self.path}: weights of another network; add the overlays the model was trained with to --config_file"
            ) from error
