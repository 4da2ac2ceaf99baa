"""Recalibrates the chosen model's answers on validation eyes."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from bundle.data import Cohort
from bundle.handlers.chosen_model import ChosenModelHandler
from bundle.metrics import fit_recalibration
from bundle.metrics.recalibration import FUSED, MIN_EYES, PENALTY
from bundle.reporting.predictions import Predictions

logger = logging.getLogger(__name__)


class RecalibrationHandler(ChosenModelHandler):
    """Fits `fit_recalibration` and puts it into the model.

    The network's weights stay as they are; its recalibration buffers and `model.pt`, `model.json` change.

    Args:
        validator, cohort, output_dir, enabled: see `ChosenModelHandler`.
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
        super().__init__(validator, cohort, output_dir, enabled)
        self.options = {"penalty": penalty, "min_eyes": min_eyes, "product": product, "lines": lines}

    def fit(self, network: Any) -> None:
        network.set_recalibration([0] * 4, [0] * 2, [0] * 2)
        eyes = self.predict()
        mean_db, sd_db = float(network.md_mean_db), float(network.md_sd_db)
        fitted = fit_recalibration(eyes.pred_db, eyes.label_db, mean_db, sd_db, **self.options)  # type: ignore[arg-type]
        coefficients = {name: list(getattr(fitted, name)) for name in ("fused", "oct", "fundus")}
        self._warn(eyes)
        if not any(value for values in coefficients.values() for value in values):
            return
        network.set_recalibration(**coefficients)
        self.save(network, recalibration={"eyes": len(eyes), **coefficients})

    def _warn(self, eyes: Predictions) -> None:
        """Tell which answers stay as they are for want of eyes."""
        for name, values in eyes.pred_db.items():
            count, least = int(np.isfinite(values).sum()), int(self.options["min_eyes"])
            if 0 < count < least and (name == FUSED or self.options["lines"]):
                logger.warning(
                    "no recalibration of the answer from %s: %d validation eyes, needs %d", name, count, least
                )
