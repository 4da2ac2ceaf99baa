"""How much of MD a ridge regression reads out of features."""

from __future__ import annotations

import numpy as np

from bundle.metrics.arrays import FloatArray
from bundle.metrics.regression import r2


def ridge_probe_r2(
    train_NC: FloatArray, train_db: FloatArray, other_NC: FloatArray, other_db: FloatArray, penalty: float = 10.0
) -> tuple[float, float]:
    """R2 of a ridge probe on the eyes that it was fitted on, and on others.

        w = argmin |y - b - X w|^2 + penalty |w|^2

    X are the features, standardised by their mean and SD over the training eyes (a constant one is left out); the
    intercept b is free.

    Args:
        train_NC, other_NC: features (N, C).
        train_db, other_db: MD (N,), dB.
        penalty: > 0, in eyes.

    Returns:
        (R2 of the training eyes, R2 of the others); NaN where all labels are equal.
    """
    mean_C, sd_C = train_NC.mean(axis=0), train_NC.std(axis=0)
    varies_C = sd_C > 0
    x, other = ((one - mean_C)[:, varies_C] / sd_C[varies_C] for one in (train_NC, other_NC))
    mean_db = train_db.mean()
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (train_db - mean_db))
    return r2(mean_db + x @ weights, train_db), r2(mean_db + other @ weights, other_db)
