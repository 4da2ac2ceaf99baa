"""Out-of-fold predictions: every eye is predicted once, by a baseline that saw none of its patient's eyes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bundle.baselines.features import Array
from bundle.baselines.ridge import Baseline, Features

Fold = tuple[Sequence[int], Sequence[int]]


def cross_validated_predictions(
    make_baseline: Callable[[], Baseline], features: Features, label: Array, folds: Sequence[Fold]
) -> tuple[Array, NDArray[np.int64]]:
    """Predictions (n,) and the fold (n,) that each came from.

    features: {name: (n, d)}; label: (n,), for example MD in dB.
    folds: (train positions, test positions) into the n eyes, made by patient; the test positions must partition them.
    Raises ValueError when they do not, or when a fold trains on an eye that it tests.
    """
    tested = np.sort(np.concatenate([np.asarray(test) for _, test in folds]))
    if not np.array_equal(tested, np.arange(len(label))):
        raise ValueError("folds: expected every eye in exactly one test part")
    predicted, fold_of = np.empty(len(label)), np.empty(len(label), dtype=np.int64)
    for number, (train, test) in enumerate(folds):
        if set(train) & set(test):
            raise ValueError(f"folds: fold {number} trains on eyes that it tests")
        baseline = make_baseline().fit(_take(features, train), label[list(train)])
        predicted[list(test)] = baseline.predict(_take(features, test))
        fold_of[list(test)] = number
    return predicted, fold_of


def _take(features: Features, positions: Sequence[int]) -> dict[str, Array]:
    return {name: values[list(positions)] for name, values in features.items()}
