"""Gives the chosen model its prediction intervals."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from bundle.data import Cohort
from bundle.data.manifest_cells import MD_RANGE_DB
from bundle.deploy.intervals import INTERVALS, described
from bundle.handlers.chosen_model import ChosenModelHandler
from bundle.losses.arguments import check_number
from bundle.metrics import fit_prediction_interval, patients_needed

logger = logging.getLogger(__name__)


class PredictionIntervalHandler(ChosenModelHandler):
    """Fits `fit_prediction_interval` for each subset of modalities, and writes it into model.json.

    Attach it after the RecalibrationHandler: the interval belongs to the answers as they are given.

    Args:
        validator, cohort, output_dir: see `ChosenModelHandler`.
        level: share of eyes whose measured MD is to lie inside, below 1; 0 for no intervals.

    Raises:
        InputError: `level` is not such a share.
    """

    def __init__(self, validator: Any, cohort: Cohort, output_dir: str, level: float = 0.9) -> None:
        self.level = check_number("interval_level", level, 0, 1, high_open=True)
        super().__init__(validator, cohort, output_dir, enabled=self.level > 0)

    def fit(self, network: Any) -> None:
        eyes, intervals = self.predict(), {}
        for name, pred_db in eyes.pred_db.items():
            here = np.isfinite(pred_db)
            if not here.any():
                continue  # the network lacks the modality, or no validation eye has it
            found = fit_prediction_interval(
                pred_db[here], eyes.label_db[here], eyes.patient[here], self.level, MD_RANGE_DB
            )
            if found is None:
                self._warn(name, np.unique(eyes.patient[here]).size)
            else:
                intervals[name] = found
        if intervals:
            self.save(network, **{INTERVALS: described(intervals)})

    def _warn(self, name: str, patients: int) -> None:
        """Tell which answers have no interval for want of patients."""
        logger.warning(
            "no interval for the answer from %s: found %d validation patients with it, a level of %g needs %d; "
            "more patients, or a lower interval_level", name, patients, self.level, patients_needed(self.level),
        )  # fmt: skip
