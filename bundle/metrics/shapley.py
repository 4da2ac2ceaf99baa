"""What each modality contributes to the fused prediction: Shapley shares of explained variance."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from bundle.metrics.arrays import paired_db
from bundle.metrics.regression import mse


@dataclass(frozen=True)
class ShapleyShares:
    """Shares of two players, in units of the label's variance.

    phi_oct + phi_fundus = gain (efficiency), the fall of MSE / Var(y) from a constant prediction to the fused one.
    `imbalance` = (phi_oct - phi_fundus) / (|phi_oct| + |phi_fundus|): 0 balanced, +1 OCT alone counts, -1 fundus alone
    counts; NaN when both shares are 0.
    """

    phi_oct: float
    phi_fundus: float
    gain: float
    imbalance: float


def shapley_shares(
    fused_db: ArrayLike, oct_db: ArrayLike, fundus_db: ArrayLike, label_db: ArrayLike, constant_db: float | None = None
) -> ShapleyShares:
    """Shapley value of OCT and fundus for the game v(S) = -MSE(S) / Var(y), S the set of modalities shown.

        phi_oct = 1/2 [ v(oct) - v(none) + v(oct, fundus) - v(fundus) ],   phi_fundus likewise

    Args:
        fused_db, oct_db, fundus_db: predictions from both modalities and from each alone, (eyes,), dB.
        label_db: measured MD, (eyes,), dB.
        constant_db: the prediction from no modality, v(none); the training cohort's mean MD is the honest one. None
            takes the mean of `label_db`, for which v(none) = -1.

    No eyes, or labels that are all equal: every figure is NaN. A modality that harms has a negative share.

    Raises:
        ValueError: shapes that differ, or values that are not finite (leave eyes with a missing modality out).
    """
    _, label = paired_db(fused_db, label_db)
    if label.size == 0 or float(np.ptp(label)) == 0.0:
        return ShapleyShares(nan, nan, nan, nan)
    variance = float(label.var())
    none = np.full(label.shape, label.mean() if constant_db is None else constant_db)
    v_none, v_oct, v_fundus, v_both = (-mse(p, label) / variance for p in (none, oct_db, fundus_db, fused_db))
    phi_oct = 0.5 * (v_oct - v_none + v_both - v_fundus)
    phi_fundus = 0.5 * (v_fundus - v_none + v_both - v_oct)
    size = abs(phi_oct) + abs(phi_fundus)
    return ShapleyShares(phi_oct, phi_fundus, v_both - v_none, (phi_oct - phi_fundus) / size if size else nan)
