"""What MLflow gets of a study and of a training, and where it is: no path and nothing of a patient."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from math import isfinite
from typing import Any

from bundle.comparison.methods.catalogue import ROOT, TRAIN_CONFIG
from bundle.comparison.planning.plan import CELL_KEYS, PREDICTIONS_FILE, Cell
from bundle.comparison.planning.settings import OWN_KEYS
from bundle.comparison.planning.study import Study
from bundle.comparison.running.environment import public_value
from bundle.reporting.history import History
from bundle.reporting.predictions import Predictions
from bundle.reporting.scores import metrics_of

NOT_A_NAME = re.compile(r"[^\w\-. /]")  # what MLflow refuses in a name, such as the # of a config key
PLACES = ("tracking_uri",)  # settings that say where the user keeps things


def tracking_uri(study: Study) -> str:
    """The database or server: the environment's MLFLOW_TRACKING_URI, else the training config's, as in a training."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(TRAIN_CONFIG))
    parser.update({**study.settings, "bundle_root": str(ROOT)})
    return os.environ.get("MLFLOW_TRACKING_URI") or str(parser.get_parsed_content("tracking_uri"))


def study_params(study: Study) -> dict[str, Any]:
    """Settings of a study that stay the same as long as its folder does."""
    settings = {f"set.{key}": value for key, value in study.settings.items() if key not in PLACES}
    return {
        "cohort": study.cohort_name, "max_epochs": study.max_epochs, "folds": study.folds,
        "train_size": study.train_size, "split_seed": study.split_seed, "complete_only": study.complete_only,
        "trials": study.trials, "overlays": [path.stem for path in study.overlays], **settings,
    }  # fmt: skip


def cell_params(study: Study, cell: Cell) -> dict[str, Any]:
    """Method, seed, fold, and of the config's keys the learning rate and what was chosen for this method."""
    common = (study.settings.keys() - {"lr"}) | OWN_KEYS.keys() | CELL_KEYS.keys()
    own = {key: value for key, value in cell.overrides.items() if key not in common}
    return {"method": cell.method, "seed": cell.seed, "fold": cell.fold, **own}


def as_params(values: Mapping[str, Any]) -> list[Any]:
    """MLflow's parameters; paths lose their folders."""
    from mlflow.entities import Param

    return [Param(_name(name), str(public_value(value))[:500]) for name, value in values.items()]


def history_metrics(cell: Cell) -> list[Any]:
    """Every known figure of every epoch of the training's history.csv."""
    path = cell.folder / "run" / "history.csv"
    rows = History.from_csv(path) if path.is_file() else History()
    return [
        one for row in rows for name, value in row.items() if name != "epoch"
        for one in _metric(name, value, int(row["epoch"]))
    ]  # fmt: skip


def cell_metrics(cell: Cell) -> list[Any]:
    """`test_...` of the predictions, and the numbers of done.json: `chosen_val_...` and costs."""
    test = metrics_of(Predictions.from_csv(cell.folder / PREDICTIONS_FILE).of_split("test"))
    facts = {name: value for name, value in cell.facts().items() if isinstance(value, int | float)}
    named = {f"test_{name}": value for name, value in test.items()}
    named |= {f"chosen_{name}" if name.startswith("val_") else name: float(value) for name, value in facts.items()}
    return [one for name, value in named.items() for one in _metric(name, value, 0)]


def _metric(name: str, value: float, step: int) -> list[Any]:
    from mlflow.entities import Metric

    return [Metric(_name(name), value, int(1000 * time.time()), step)] if isfinite(value) else []


def _name(name: str) -> str:
    return NOT_A_NAME.sub(".", name)
