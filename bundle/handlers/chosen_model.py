"""What is fitted on the validation eyes once the epoch is chosen, and put into the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bundle.data import Cohort
from bundle.deploy.model_folder import WEIGHTS, read_description, save_model
from bundle.engines.distributed import rank
from bundle.handlers.predictions import PredictionsHandler
from bundle.reporting.predictions import Predictions
from bundle.weights import load_weights_only


class ChosenModelHandler(ABC):
    """At COMPLETED, before the test: the validator's network <- the chosen weights, then `fit(network)`.

    The validation eyes chose the epoch but trained no weight. The test split is never used.

    Args:
        validator: an evaluator of the validation split. With several processes only the first one runs it, so it should
            have no metrics, which would wait for the others.
        cohort: gives eye and patient number of each row.
        output_dir: folder of the chosen model.
        enabled: False leaves the model alone.
    """

    def __init__(self, validator: Any, cohort: Cohort, output_dir: str, enabled: bool = True) -> None:
        self.validator, self.cohort, self.folder, self.enabled = validator, cohort, Path(output_dir), enabled

    def attach(self, engine: Engine) -> None:
        if self.enabled:
            engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        if rank() != 0 or not (self.folder / WEIGHTS).is_file():
            return  # the handler of the test says that there is no model
        network = self.validator.network
        network.load_state_dict(load_weights_only(self.folder / WEIGHTS, engine.state.device))
        self.fit(network)

    @abstractmethod
    def fit(self, network: Any) -> None:
        """Fit, and `save` what changes the model."""

    def predict(self) -> Predictions:
        """Predictions of the validation eyes that have a label."""
        collected = _Collected(self.cohort, str(self.folder), "validation")
        collected.attach(self.validator)
        try:
            self.validator.run()
        finally:
            collected.detach(self.validator)
        assert collected.predictions is not None
        return collected.predictions.select(collected.predictions.labelled)

    def save(self, network: Any, **more: Any) -> None:
        """Write the model anew, with `more` in model.json."""
        save_model(self.folder, network, {**read_description(self.folder), **more})


class _Collected(PredictionsHandler):
    """Keeps the predictions and writes no file."""

    def write(self, predictions: Predictions) -> None:
        """Nothing."""
