"""Ridge regression whose penalty is chosen inside the training fold: what a network has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, Self

import numpy as np

from bundle.baselines.features import Array, Encoder

PENALTIES: Array = np.logspace(-3, 5, 33)
Features = Mapping[str, Array]


class Baseline(Protocol):
    """Learns from (n, d) features by name and (n,) labels; predicts (m,) labels."""

    def fit(self, features: Features, label: Array) -> Self: ...

    def predict(self, features: Features) -> Array: ...


class MeanPredictor:
    """Predicts the mean label of the training fold for everyone."""

    def fit(self, features: Features, label: Array) -> Self:
        self._mean = float(label.mean())
        return self

    def predict(self, features: Features) -> Array:
        return np.full(len(next(iter(features.values()))), self._mean)


class RidgeBaseline:
    """Ridge regression on encoded features, set side by side ("plain concatenation" when there are several).

        w = argmin ||y - b - X w||^2 + a ||w||^2      (Hoerl and Kennard 1970; the intercept b is not penalised)

    encoders: {feature name: function that makes a fresh `Encoder`}; only the named features are used.
    penalties: candidates for a; the one with the least leave-one-out squared error on the training fold is taken. That
        error needs no refit: the residual of eye i left out is r_i / (1 - h_ii), h being the hat matrix with intercept.
    """

    def __init__(self, encoders: Mapping[str, Callable[[], Encoder]], penalties: Array = PENALTIES) -> None:
        if not encoders:
            raise ValueError("encoders: found none, expected at least one feature")
        self._makers, self._penalties = dict(encoders), np.asarray(penalties, dtype=np.float64)

    def fit(self, features: Features, label: Array) -> Self:
        self._encoders = {name: make().fit(features[name]) for name, make in self._makers.items()}
        x = self._encode(features)
        self._x_mean, self._intercept = x.mean(axis=0), float(label.mean())
        u, singular, vt = np.linalg.svd(x - self._x_mean, full_matrices=False)
        projected = u.T @ (label - self._intercept)
        errors = [_leave_one_out_error(u, singular, projected, label - self._intercept, a) for a in self._penalties]
        self.penalty = float(self._penalties[int(np.argmin(errors))])
        self._weights = vt.T @ (singular / (singular**2 + self.penalty) * projected)
        return self

    def predict(self, features: Features) -> Array:
        return self._intercept + (self._encode(features) - self._x_mean) @ self._weights

    def _encode(self, features: Features) -> Array:
        return np.hstack([encoder.transform(features[name]) for name, encoder in self._encoders.items()])


def _leave_one_out_error(u: Array, singular: Array, projected: Array, centred: Array, penalty: float) -> float:
    """Mean squared leave-one-out residual of ridge with a free intercept, from the SVD of the centred design."""
    shrink = singular**2 / (singular**2 + penalty)
    residual = centred - u @ (shrink * projected)
    leverage = (u**2) @ shrink + 1.0 / len(centred)
    return float(np.mean((residual / (1.0 - leverage)) ** 2))
