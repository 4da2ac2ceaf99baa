"""What a served model is asked and answers: prepared eyes in, Mean Deviation out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundle.deploy.inputs import KEYS
from bundle.deploy.intervals import Intervals, interval_answer
from bundle.errors import InputError
from bundle.metrics import stage_of
from bundle.networks import MDRegressor

COLUMNS = ("md_db", "md_oct_db", "md_fundus_db")  # as MDRegressor.predict_subsets
INTERVAL_COLUMNS = ("interval_low_db", "interval_high_db", "interval_level")
MAX_EYES = 32  # a request's memory and time are bounded


@torch.inference_mode()
def answer(
    network: MDRegressor, shapes: Mapping[str, tuple[int, ...]], intervals: Intervals, inputs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One dict an eye: MD in dB from all that is present, from OCT alone, from fundus alone, its interval, its stage.

    Args:
        network: in eval mode.
        shapes: `bundle.deploy.inputs.input_shapes` of it.
        intervals: `bundle.deploy.intervals.intervals_of` it.
        inputs: by tensor name (B, *shape) float32, 1 to MAX_EYES eyes, as configs/inference.yaml prepares them. An eye
            that lacks a modality has NaN in its whole row (null in JSON).

    Returns:
        `md_db`, `md_oct_db`, `md_fundus_db` (None where the eye lacks the modality: JSON has no NaN),
        `interval_low_db`, `interval_high_db`, `interval_level` (None where the model has no interval) and `stage`.

    Raises:
        InputError: anything else than that.
    """
    tensors = _checked(shapes, inputs)
    md_B3 = network.predict_subsets(**{key: torch.from_numpy(values) for key, values in tensors.items()})
    return [_answer(row, intervals) for row in md_B3.tolist()]


def _answer(subsets_db: list[float], intervals: Intervals) -> dict[str, Any]:
    """One eye; `subsets_db` (3,) as `MDRegressor.predict_subsets`."""
    values = {name: None if math.isnan(md_db) else md_db for name, md_db in zip(COLUMNS, subsets_db, strict=True)}
    used = [name for name in KEYS if values[f"md_{name}_db"] is not None]
    interval = interval_answer(subsets_db[0], used, intervals)
    limits = (*(interval["interval_db"] or (None, None)), interval["interval_level"])
    return values | dict(zip(INTERVAL_COLUMNS, limits, strict=True)) | {"stage": stage_of(subsets_db[0])}


def _checked(shapes: Mapping[str, tuple[int, ...]], inputs: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    if set(inputs) != set(shapes):
        raise InputError(f"inputs: found {', '.join(sorted(map(str, inputs)))}; expected {' and '.join(shapes)}")
    tensors = {key: _tensor(key, inputs[key], shape) for key, shape in shapes.items()}
    sizes = {key: len(values) for key, values in tensors.items()}
    if len(set(sizes.values())) != 1:
        raise InputError(f"inputs: {sizes} eyes; expected as many in each, a row of null where one lacks a modality")
    n_eyes = next(iter(sizes.values()))
    if not 1 <= n_eyes <= MAX_EYES:
        raise InputError(f"inputs: {n_eyes} eyes; expected 1 to {MAX_EYES} a request: send several requests")
    missing = np.all([_missing(key, values) for key, values in tensors.items()], axis=0)
    if missing.any():
        neither = f"neither {' nor '.join(shapes)}" if len(shapes) > 1 else f"no {next(iter(shapes))}"
        raise InputError(f"inputs: eye {int(missing.argmax())} has {neither}; expected at least one that is not null")
    return tensors


def _tensor(key: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.asarray(values)
    if array.dtype != np.float32:
        raise InputError(f"{key}: dtype {array.dtype}; expected float32")
    if array.shape[1:] != shape or array.ndim == 0:
        raise InputError(f"{key}: shape {array.shape}; expected (eyes, {', '.join(map(str, shape))})")
    return np.require(array, requirements=["C", "W"])


def _missing(key: str, values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(B,) bool: eyes without this modality."""
    rows = values.reshape(len(values), -1)
    missing = np.asarray(np.isnan(rows).all(axis=1))
    damaged = ~missing & ~np.isfinite(rows).all(axis=1)
    if damaged.any():
        raise InputError(
            f"{key}: eye {int(damaged.argmax())} has values that are not finite; expected finite numbers, or null in "
            "the whole row where the eye lacks it"
        )
    return missing
