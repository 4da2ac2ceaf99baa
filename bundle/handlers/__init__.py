"""Handlers, one class a file. Modules are imported on first use: ignite and mlflow must not load with the package."""

import importlib
from typing import Any

_MODULES = {
    "BestModelHandler": "best_model",
    "CheckpointHandler": "checkpoint",
    "ContrastiveHandler": "contrastive",
    "EarlyStopHandler": "early_stop",
    "EpochSeedHandler": "epoch_seed",
    "FinalTestHandler": "final_test",
    "HistoryHandler": "history",
    "LoadWeightsHandler": "load_weights",
    "MLflowTrackingHandler": "mlflow_tracking",
    "PredictionsHandler": "predictions",
    "ProgressHandler": "progress",
    "RebalancingHandler": "rebalancing",
    "ReportHandler": "report",
}

__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"bundle.handlers.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
