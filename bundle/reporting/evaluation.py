"""Figures of merit of a set of predictions: overall, by stage and by the modalities shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.metrics import (
    STAGES,
    Interval,
    ShapleyShares,
    balanced_mse,
    bootstrap_ci,
    regression_metrics,
    shapley_shares,
    stage_index,
)
from bundle.metrics.arrays import FloatArray
from bundle.reporting.coverage import ALL, Coverage, coverage_of
from bundle.reporting.predictions import SUBSETS, Predictions

AVAILABLE = "as available"
TRAIN_MEAN = "train mean"
BALANCED = "balanced"


@dataclass(frozen=True)
class Figures:
    """Metrics of one answer (a subset of modalities, or a reference) on one group of eyes (all, or a stage).

    `metrics` holds `regression_metrics`, and balanced_mse for the group "all"; `intervals` those with a 95 % interval.
    """

    answer: str
    group: str
    n_eyes: int
    n_patients: int
    metrics: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Evaluation:
    """All figures of one split, and the settings that they depend on."""

    split: str
    n_eyes: int
    n_patients: int
    figures: list[Figures]
    shapley: ShapleyShares | None
    train_mean_db: float | None
    n_resamples: int
    seed: int
    coverage: Coverage | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values for metrics.json: answers -> group -> figures."""
        answers: dict[str, dict[str, Any]] = {}
        for row in self.figures:
            limits = {name: [limit.low, limit.high] for name, limit in row.intervals.items()}
            content = {"n_eyes": row.n_eyes, "n_patients": row.n_patients, **row.metrics, "ci95": limits}
            answers.setdefault(row.answer, {})[row.group] = content
        return {
            "split": self.split, "n_eyes": self.n_eyes, "n_patients": self.n_patients,
            "train_mean_db": self.train_mean_db, "answers": answers,
            "prediction_interval": None if self.coverage is None else self.coverage.to_dict(),
            "shapley": None if self.shapley is None else dict(vars(self.shapley)),
            "bootstrap": {"unit": "patient", "n_resamples": self.n_resamples, "confidence": 0.95, "seed": self.seed},
        }  # fmt: skip


def evaluate(
    predictions: Predictions, *, train_mean_db: float | None = None, interval_level: float | None = None,
    n_resamples: int = 2000, seed: int = 0,
) -> Evaluation:  # fmt: skip
    """Evaluate the eyes with a measured MD.

    Each subset of modalities is measured on the eyes that have them, so numbers of eyes may differ. When some eyes
    lack a modality and the network answers from several subsets, the answer "as available" covers all eyes. With
    `train_mean_db` (dB) a reference answer predicts that constant for every eye. With `interval_level`, the share that
    the predictions' intervals promise, their coverage is measured.

    Raises:
        ValueError: more than one split: figures that mix training and test eyes are misleading.
    """
    splits = np.unique(predictions.split)
    if splits.size > 1:
        raise ValueError(f"predictions of splits {', '.join(splits)}: evaluate one at a time, see Predictions.of_split")
    eyes = predictions.select(predictions.labelled)
    figures = []
    for answer, pred_db in _answers(eyes, train_mean_db):
        here = np.isfinite(pred_db)
        figures += list(_figures(answer, pred_db[here], eyes.select(here), n_resamples, seed))
    return Evaluation(
        str(splits[0]) if splits.size else "", len(eyes), _count(eyes.patient), figures, _shapley(eyes, train_mean_db),
        train_mean_db, n_resamples, seed,
        None if interval_level is None else coverage_of(eyes, interval_level, n_resamples, seed),
    )  # fmt: skip


def _answers(eyes: Predictions, train_mean_db: float | None) -> Iterator[tuple[str, FloatArray]]:
    given = [name for name in SUBSETS if np.isfinite(eyes.pred_db[name]).any()]
    if len(set(eyes.modalities)) > 1:
        yield AVAILABLE, eyes.answer_db
    for name in given:
        yield name, eyes.pred_db[name]
    if train_mean_db is not None and len(eyes):
        yield TRAIN_MEAN, np.full(len(eyes), train_mean_db)


def _figures(answer: str, pred_db: FloatArray, eyes: Predictions, n_resamples: int, seed: int) -> Iterator[Figures]:
    stage = stage_index(eyes.label_db)
    groups: dict[str, NDArray[np.bool_]] = {ALL: np.ones(len(eyes), dtype=bool)}
    groups |= {name: stage == position for position, name in enumerate(STAGES)}
    for group, here in groups.items():
        pred, label, patient = pred_db[here], eyes.label_db[here], eyes.patient[here]
        metrics, with_interval = regression_metrics(pred, label), ["mse", "mae"]
        if group == ALL:
            metrics["balanced_mse"] = balanced_mse(pred, label)
            with_interval.append("balanced_mse")
        intervals = {
            name: bootstrap_ci(name, pred, label, patient, n_resamples=n_resamples, seed=seed) for name in with_interval
        }
        yield Figures(answer, group, len(pred), _count(patient), metrics, intervals)


def _shapley(eyes: Predictions, train_mean_db: float | None) -> ShapleyShares | None:
    """Shares on the eyes that have every subset's answer; None without such eyes."""
    complete = np.all([np.isfinite(eyes.pred_db[name]) for name in SUBSETS], axis=0)
    if not complete.any():
        return None
    fused, oct_only, fundus_only = (eyes.pred_db[name][complete] for name in SUBSETS)
    return shapley_shares(fused, oct_only, fundus_only, eyes.label_db[complete], train_mean_db)


def _count(patient: NDArray[np.int64]) -> int:
    return int(np.unique(patient).size)
