"""The metrics by the name that a config, a table or a command line uses."""

from __future__ import annotations

from difflib import get_close_matches

from bundle.errors import InputError
from bundle.metrics.regression import REGRESSION_METRICS, MetricFunction
from bundle.metrics.stages import balanced_mse

METRICS: dict[str, MetricFunction] = {**REGRESSION_METRICS, "balanced_mse": balanced_mse}
METRIC_UNITS: dict[str, str] = {
    "mse": "dB²", "rmse": "dB", "mae": "dB", "bias": "dB", "r2": "", "pearson": "", "ccc": "", "balanced_mse": "dB²",
}  # fmt: skip
METRIC_TITLES: dict[str, str] = {
    "mse": "MSE", "rmse": "RMSE", "mae": "MAE", "bias": "bias", "r2": "R²", "pearson": "Pearson r", "ccc": "CCC",
    "balanced_mse": "balanced MSE",
}  # fmt: skip
HIGHER_IS_BETTER: frozenset[str] = frozenset({"r2", "pearson", "ccc"})


def named_metric(name: str) -> MetricFunction:
    """The metric of that name.

    Raises:
        InputError: an unknown name; the message has the nearest known one.
    """
    if name in METRICS:
        return METRICS[name]
    near = get_close_matches(str(name), METRICS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(METRICS)}"
    raise InputError(f"metric name: found '{name}', {hint}")


def badness(name: str, value: float) -> float:
    """A figure that is smaller for a better value of the metric, to sort by; a bias is better nearer to 0."""
    named_metric(name)
    if name == "bias":
        return abs(value)
    return -value if name in HIGHER_IS_BETTER else value
