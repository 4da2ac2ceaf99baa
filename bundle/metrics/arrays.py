"""The one check that every metric makes of its two columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def finite_1d(values: ArrayLike, name: str) -> FloatArray:
    """A 1-D float64 array without NaN or infinity.

    Raises:
        ValueError: not one-dimensional, or not finite; `name` says which argument.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name}: found shape {array.shape}, expected one dimension (eyes)")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"{name}: {bad.size} of {array.size} values are NaN or infinite (the first at index {bad[0]}); "
            "leave such eyes out before computing a metric"
        )
    return array


def paired_db(pred_db: ArrayLike, label_db: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Predictions and labels (dB) as finite float64 arrays of one length.

    Raises:
        ValueError: another shape, different lengths, or a value that is not finite.
    """
    pred, label = finite_1d(pred_db, "pred_db"), finite_1d(label_db, "label_db")
    if pred.shape != label.shape:
        raise ValueError(f"pred_db has {pred.size} eyes and label_db {label.size}: expected one prediction a label")
    return pred, label
