"""Handlers, one class a file. Modules are imported on first use: ignite and mlflow must not load with the package."""

import importlib
from typing import Any

_MODULES = {
    "BestModelHandler": "best_model",
    "BestPartsHandler": "best_parts",
    "CheckpointHandler": "checkpoint",
    "ContrastiveHandler": "contrastive",
    "EarlyStopHandler": "early_stop",
    "EpochSeedHandler": "epoch_seed",
    "FeatureSmoothingHandler": "feature_smoothing",
    "FinalTestHandler": "final_test",
    "GradientBlendingHandler": "gradient_blending",
    "GradientNoiseHandler": "gradient_noise",
    "GradientProjectionHandler": "gradient_projection",
    "HandlerGroup": "group",
    "HistoryHandler": "history",
    "InformationRegulationHandler": "information_regulation",
    "LoadWeightsHandler": "load_weights",
    "MLflowTrackingHandler": "mlflow_tracking",
    "PredictionIntervalHandler": "prediction_interval",
    "PredictionsHandler": "predictions",
    "ProgressHandler": "progress",
    "PrototypeHandler": "prototypes",
    "RebalancingHandler": "rebalancing",
    "RecalibrationHandler": "recalibration",
    "RelearningHandler": "relearning",
    "ReportHandler": "report",
    "ShapleyModulationHandler": "shapley_modulation",
    "StagesHandler": "stages",
    "RhoScheduleHandler": "rho_schedule",
    "UnimodalTeachersHandler": "unimodal_teachers",
}

__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"bundle.handlers.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
