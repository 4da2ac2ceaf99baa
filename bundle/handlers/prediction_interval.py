"""Gives the chosen model its prediction intervals."""

from __future__ import annotations

from typing import Any

from bundle.data import Cohort
from bundle.deploy.intervals import INTERVALS, described, fit_intervals
from bundle.handlers.chosen_model import ChosenModelHandler
from bundle.losses.arguments import check_number


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
        intervals = fit_intervals(self.predict(), self.level)
        if intervals:
            self.save(network, **{INTERVALS: described(intervals)})
