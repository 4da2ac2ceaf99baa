"""MLflow's database, made before several processes want it."""

from __future__ import annotations

import os
from pathlib import Path

from bundle.comparison.plan import Cell

SQLITE = "sqlite:///"


def prepare_tracking(cell: Cell) -> None:
    """Create the SQLite database that the cells will log to; two processes creating its tables at once would fail.

    A server takes care of itself. As in a training, the environment's MLFLOW_TRACKING_URI wins over the config.
    """
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(list(cell.config_files))
    parser.update(cell.overrides)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or str(parser.get_parsed_content("tracking_uri"))
    if not uri.startswith(SQLITE):
        return
    from mlflow import MlflowClient

    Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    MlflowClient(uri).search_experiments(max_results=1)
