"""The sharpness-aware trainer and its inferer, imported on first use: ignite must not load with the package."""

import importlib
from typing import Any

_MODULES = {
    "AlternatingTrainer": "alternating_trainer",
    "SharpnessAwareTrainer": "sharpness_aware_trainer",
    "SubsetInferer": "subset_inferer",
}

__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"bundle.engines.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
