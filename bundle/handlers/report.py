"""Judges an evaluator's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from bundle.data import Cohort
from bundle.handlers.predictions import PredictionsHandler
from bundle.reporting.evaluation import ALL, Evaluation, evaluate
from bundle.reporting.predictions import Predictions
from bundle.reporting.report import write_report
from bundle.reporting.tables import metrics_text


class ReportHandler(PredictionsHandler):
    """Writes tables with intervals, plots and predictions.csv, and prints the table.

    Unlabelled eyes get a row in predictions.csv and no part in the figures; without any label there is only that file.

    Args:
        network: its `md_mean_db`, the mean MD of its train split, is the reference that a model has to beat.
        label_db_by_split: measured MD of each split, dB, for the histogram; None shows the split that is judged.
        model_path: see `PredictionsHandler`.

    `history` may be set by whoever trained, for the loss and modulation curves.
    """

    def __init__(
        self,
        cohort: Cohort,
        output_dir: str,
        split: str = "test",
        network: Any = None,
        label_db_by_split: Mapping[str, ArrayLike] | None = None,
        model_path: str | None = None,
    ) -> None:
        super().__init__(cohort, output_dir, split, model_path)
        self.network, self.label_db_by_split = network, label_db_by_split
        self.evaluation: Evaluation | None = None
        self.paths: dict[str, Path] = {}

    def write(self, predictions: Predictions) -> None:
        """The report, or with no label at all predictions.csv alone."""
        if not predictions.labelled.any():
            super().write(predictions)
            return
        train_mean_db = None if self.network is None else float(self.network.md_mean_db)
        self.evaluation = evaluate(predictions, train_mean_db=train_mean_db, interval_level=self.interval_level)
        self.paths = write_report(
            predictions, self.output_dir, history=self.history, evaluation=self.evaluation,
            title=f"Re-M3Dr, {self.split} split", label_db_by_split=self.label_db_by_split,
        )  # fmt: skip
        print(f"\n{self.split} split, {self.evaluation.n_eyes} eyes of {self.evaluation.n_patients} patients")
        print(metrics_text(self.evaluation))
        if self.evaluation.coverage is not None:
            print(self.evaluation.coverage.sentence())
        print(f"report: {self.paths['report']}")

    def summary(self) -> dict[str, float]:
        """Figures over all eyes: `mse`, `mae`, ... of the answer from all modalities, `oct_mse`, ... of the others."""
        if self.evaluation is None:
            return {}
        figures = [row for row in self.evaluation.figures if row.group == ALL]
        values = dict(figures[0].metrics)
        for row in figures[1:]:
            answer = row.answer.replace(" ", "_").replace("+", "_and_")  # MLflow takes no plus sign
            values |= {f"{answer}_{name}": value for name, value in row.metrics.items()}
        if self.evaluation.coverage is not None:
            overall = self.evaluation.coverage.rows[0]
            values |= {"interval_coverage": overall.inside.value, "interval_width_db": overall.width_db}
        return values
