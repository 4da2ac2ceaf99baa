"""How long an MLflow server that does not answer may hold up a training or a study."""

from __future__ import annotations

import os

WAITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}  # seconds; 7 times 120 by default


def shorten_waits() -> None:
    """Set `WAITS` for MLflow, unless the environment says otherwise."""
    for name, value in WAITS.items():
        os.environ.setdefault(name, value)
