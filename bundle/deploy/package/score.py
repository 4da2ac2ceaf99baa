"""The score of a model, from the report that its training left beside it; never from anywhere else."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.deploy.model_folder import TEST_METRICS
from bundle.deploy.package.command import read_config, training_command
from bundle.errors import InputError

CONFIG = "config.yaml"
SUBSETS = {"oct+fundus": "OCT and fundus", "oct": "OCT alone", "fundus": "fundus alone"}


@dataclass(frozen=True)
class Score:
    """Test figures of one training: MSE in dB^2, MAE in dB, 95 % intervals (patient bootstrap); date as ISO 8601."""

    answers: dict[str, dict[str, Any]]  # by modalities shown: n_eyes, n_patients, mse, mae, r2, ci95
    n_eyes: int
    n_patients: int
    cohort_digest: str
    seed: int | None
    date: str
    command: str

    def to_metadata(self) -> dict[str, Any]:
        """Plain values for `eval_metrics` of metadata.json; the first answer's, and each modality's own MSE."""
        first = next(iter(self.answers.values()))
        alone = {
            f"test_mse_{name}_db2": self.answers[name]["mse"] for name in ("oct", "fundus") if name in self.answers
        }
        return {
            "test_mse_db2": first["mse"], "test_mse_db2_ci95": first["ci95"]["mse"],
            "test_mae_db": first["mae"], "test_mae_db_ci95": first["ci95"]["mae"], "test_r2": first["r2"], **alone,
            "test_eyes": self.n_eyes, "test_patients": self.n_patients, "cohort_digest": self.cohort_digest,
            "seed": self.seed, "date": self.date, "command": self.command,
        }  # fmt: skip


def read_score(model: Path, description: dict[str, Any], train_config: Path) -> Score | None:
    """The score of a model folder; None when it holds no report.

    Args:
        model: a run's folder, or models/ as `make promote` fills it: test/metrics.json and config.yaml beside model.pt.
        description: of the model, from model.json.
        train_config: configs/train.yaml, to tell what was set otherwise.

    Raises:
        InputError: the report is unreadable, or another model's.
    """
    path = model / TEST_METRICS
    if not path.is_file():
        return None
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        answers = {name: groups["all"] for name, groups in metrics["answers"].items() if name != "train mean"}
        train_mean_db = metrics["train_mean_db"]
        if not answers:
            return None
        _check_same_training(path, train_mean_db, description)
        config, command = read_config(model / CONFIG), f"unknown: no {CONFIG} beside the model"
        if config:
            command = training_command(config, read_config(train_config))
        return Score(
            answers, metrics["n_eyes"], metrics["n_patients"], description.get("cohort_digest", "unknown"),
            config.get("seed"), datetime.date.fromtimestamp(path.stat().st_mtime).isoformat(), command,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{TEST_METRICS}: not the report that training writes; train or `make promote` again"
        ) from error


def _check_same_training(path: Path, train_mean_db: float | None, description: dict[str, Any]) -> None:
    """A report copied without its model would give the model somebody else's score."""
    own = description["network"].get("md_mean_db")
    if train_mean_db is not None and own is not None and not math.isclose(train_mean_db, own, abs_tol=1e-4):
        raise InputError(
            f"{path.name}: its training eyes have a mean MD of {train_mean_db:.2f} dB, the model's {own:.2f}; "
            "it judges another model: `make promote` copies both together"
        )
