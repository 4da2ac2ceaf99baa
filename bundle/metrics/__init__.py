"""Figures of merit for predicted Mean Deviation: pure numpy functions.

The ignite wrapper is `bundle.metrics.ignite_metric.RegressionMetric`; it is not imported here, so that this package
works where ignite is not installed.
"""

from bundle.metrics.bootstrap import Interval, bootstrap_ci, bootstrap_comparison
from bundle.metrics.names import HIGHER_IS_BETTER, METRIC_TITLES, METRIC_UNITS, METRICS, badness, named_metric
from bundle.metrics.prediction_interval import PredictionInterval, fit_prediction_interval, patients_needed
from bundle.metrics.recalibration import Recalibration, fit_recalibration
from bundle.metrics.regression import bias, ccc, mae, mse, pearson, r2, regression_metrics, rmse
from bundle.metrics.shapley import ShapleyShares, shapley_shares
from bundle.metrics.stages import (
    STAGE_EDGES_DB,
    STAGE_RANGES,
    STAGES,
    balanced_mse,
    per_stage_metrics,
    stage_index,
    stage_of,
)

__all__ = [
    "HIGHER_IS_BETTER",
    "METRICS",
    "METRIC_TITLES",
    "METRIC_UNITS",
    "STAGES",
    "STAGE_EDGES_DB",
    "STAGE_RANGES",
    "Interval",
    "PredictionInterval",
    "Recalibration",
    "ShapleyShares",
    "badness",
    "balanced_mse",
    "bias",
    "bootstrap_ci",
    "bootstrap_comparison",
    "ccc",
    "fit_prediction_interval",
    "fit_recalibration",
    "mae",
    "mse",
    "named_metric",
    "patients_needed",
    "pearson",
    "per_stage_metrics",
    "r2",
    "regression_metrics",
    "rmse",
    "shapley_shares",
    "stage_index",
    "stage_of",
]
