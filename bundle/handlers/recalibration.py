"""Recalibrates the chosen model's answers on validation eyes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from bundle.data import Cohort
from bundle.deploy.model_folder import WEIGHTS, read_description, save_model
from bundle.engines.distributed import rank
from bundle.handlers.predictions import PredictionsHandler
from bundle.metrics import fit_recalibration
from bundle.metrics.recalibration import FUSED, MIN_EYES, PENALTY
from bundle.reporting.predictions import Predictions
from bundle.weights import load_weights_only

logger = logging.getLogger(__name__)
FORMAT_KEYS = ("format", "network", "weights_sha256")


class RecalibrationHandler:
    """At COMPLETED, before the test: fits `fit_recalibration` on the validation eyes and puts it into the model.

    These eyes chose the epoch but trained no weight. The network's weights stay as they are; its recalibration buffers
    and `model.pt`, `model.json` change. The test split is never used.

    Args:
        validator: an evaluator of the validation split. With several processes only the first one runs it, so it should
            have no metrics, which would wait for the others.
        cohort: gives eye and patient number of each row.
        output_dir: folder of the chosen model.
        enabled: False leaves the model alone.
        penalty, min_eyes, product, lines: see `fit_recalibration`.
    """

    def __init__(
        self,
        validator: Any,
        cohort: Cohort,
        output_dir: str,
        enabled: bool = True,
        penalty: float = PENALTY,
        min_eyes: int = MIN_EYES,
        product: bool = True,
        lines: bool = True,
    ) -> None:
        self.validator, self.cohort, self.folder, self.enabled = validator, cohort, Path(output_dir), enabled
        self.options = {"penalty": penalty, "min_eyes": min_eyes, "product": product, "lines": lines}

    def attach(self, engine: Engine) -> None:
        if self.enabled:
            engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        if rank() != 0 or not (self.folder / WEIGHTS).is_file():
            return  # the handler of the test says that there is no model
        network = self.validator.network
        network.load_state_dict(load_weights_only(self.folder / WEIGHTS, engine.state.device))
        network.set_recalibration([0] * 4, [0] * 2, [0] * 2)
        eyes = self._predict()
        mean_db, sd_db = float(network.md_mean_db), float(network.md_sd_db)
        fitted = fit_recalibration(eyes.pred_db, eyes.label_db, mean_db, sd_db, **self.options)  # type: ignore[arg-type]
        coefficients = {name: list(getattr(fitted, name)) for name in ("fused", "oct", "fundus")}
        self._warn(eyes)
        if not any(value for values in coefficients.values() for value in values):
            return
        network.set_recalibration(**coefficients)
        description = {key: value for key, value in read_description(self.folder).items() if key not in FORMAT_KEYS}
        save_model(self.folder, network, {**description, "recalibration": {"eyes": len(eyes), **coefficients}})

    def _warn(self, eyes: Predictions) -> None:
        """Tell which answers stay as they are for want of eyes."""
        for name, values in eyes.pred_db.items():
            count, least = int(np.isfinite(values).sum()), int(self.options["min_eyes"])
            if 0 < count < least and (name == FUSED or self.options["lines"]):
                logger.warning(
                    "no recalibration of the answer from %s: %d validation eyes, needs %d", name, count, least
                )

    def _predict(self) -> Predictions:
        """Predictions of the validation eyes that have a label."""
        collected = _Collected(self.cohort, str(self.folder), "validation")
        collected.attach(self.validator)
        try:
            self.validator.run()
        finally:
            collected.detach(self.validator)
        assert collected.predictions is not None
        return collected.predictions.select(collected.predictions.labelled)


class _Collected(PredictionsHandler):
    """Keeps the predictions and writes no file."""

    def write(self, predictions: Predictions) -> None:
        """Nothing."""
