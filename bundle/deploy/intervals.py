"""Prediction intervals as plain numbers in model.json."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.data.manifest_cells import MD_RANGE_DB
from bundle.deploy.model_folder import DESCRIPTION, WEIGHTS, check_weights, read_description
from bundle.errors import InputError
from bundle.metrics import PredictionInterval, fit_prediction_interval, patients_needed
from bundle.metrics.arrays import FloatArray
from bundle.reporting.predictions import Predictions

logger = logging.getLogger(__name__)
INTERVALS = "prediction_interval"  # the key in model.json
NUMBERS = ("lower_db", "upper_db", "slope")
Intervals = Mapping[str, PredictionInterval]  # by the modalities of an answer: "oct+fundus", "oct", "fundus"


def described(intervals: Intervals) -> dict[str, Any]:
    """Plain values of intervals that share level and range; `intervals_of` reads them."""
    first = next(iter(intervals.values()))
    answers = {name: {number: getattr(one, number) for number in NUMBERS} for name, one in intervals.items()}
    return {"level": first.level, "range_db": list(first.range_db), "answers": answers}


def intervals_of(description: Mapping[str, Any]) -> Intervals:
    """The intervals of a model; empty where none were fitted.

    Args:
        description: content of model.json.

    Raises:
        InputError: something else than `described` writes.
    """
    content = description.get(INTERVALS)
    if content is None:
        return {}
    try:
        level, (low, high) = _number(content["level"]), map(_number, content["range_db"])
        return {
            str(name): PredictionInterval(
                level=level, range_db=(low, high), **{number: _number(one[number]) for number in NUMBERS}
            )
            for name, one in content["answers"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{DESCRIPTION}: {INTERVALS} is not what training writes; train again") from error


def fit_intervals(eyes: Predictions, level: float) -> Intervals:
    """An interval for each subset of modalities that eyes have an answer from; too few patients are a warning.

    Args:
        eyes: labelled, and not trained on.
        level: see `fit_prediction_interval`.
    """
    intervals = {}
    for name, pred_db in eyes.pred_db.items():
        here = np.isfinite(pred_db)
        if not here.any():
            continue  # the network lacks the modality, or no eye has it
        found = fit_prediction_interval(pred_db[here], eyes.label_db[here], eyes.patient[here], level, MD_RANGE_DB)
        if found is not None:
            intervals[name] = found
            continue
        logger.warning(
            "no interval for the answer from %s: found %d patients with it, a level of %g needs %d; "
            "more patients, or a lower level", name, np.unique(eyes.patient[here]).size, level, patients_needed(level),
        )  # fmt: skip
    return intervals


def intervals_beside(weights: str | Path) -> Intervals:
    """The intervals of the model whose weights these are; empty for other files than a model.json's model.pt.

    Raises:
        InputError: a model.json that is not one, or that describes other weights.
    """
    path = Path(weights)
    if path.name != WEIGHTS or not (path.parent / DESCRIPTION).is_file():
        return {}
    description = read_description(path.parent)
    check_weights(path, description)
    return intervals_of(description)


def limits_db(pred_db: FloatArray, modalities: NDArray[np.str_], intervals: Intervals) -> tuple[FloatArray, FloatArray]:
    """Lower and upper limit of each eye's answer, (eyes,), dB; NaN where the model has no interval for it.

    Args:
        pred_db: (eyes,) the answers.
        modalities: (eyes,) that each comes from, as the keys of `intervals`.
        intervals: of the model.
    """
    low_db, high_db = np.full(pred_db.shape, np.nan), np.full(pred_db.shape, np.nan)
    for name, interval in intervals.items():
        here = modalities == name
        low_db[here], high_db[here] = interval.limits_db(pred_db[here])
    return low_db, high_db


def interval_answer(md_db: float, modalities: Sequence[str], intervals: Intervals) -> dict[str, Any]:
    """`interval_db`, [low, high] rounded to 0.001 dB, and its `interval_level`; both None where the model has none.

    Args:
        md_db: the answer, dB.
        modalities: that it comes from, in the order of `MDRegressor.modalities`.
        intervals: of the model.
    """
    found = intervals.get("+".join(modalities))
    if found is None:
        return {"interval_db": None, "interval_level": None}
    limits_db = [round(float(limit), 3) for limit in found.limits_db(md_db)]
    return {"interval_db": limits_db, "interval_level": found.level}


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)
