"""Severity stages by Mean Deviation, and errors stage by stage.

| stage       | MD                  |
|-------------|---------------------|
| near-normal | MD > -3 dB          |
| early       | -6 < MD <= -3 dB    |
| moderate    | -12 <= MD <= -6 dB  |
| severe      | MD < -12 dB         |

The cuts at -6 and -12 dB are the MD part of Hodapp, Parrish and Anderson (1993): early is better than -6, moderate
from -6 to -12, severe worse than -12 dB. Their early stage is our near-normal and early together: the cut at -3 dB
keeps the many eyes with hardly any loss from hiding the errors on eyes with a little. Their rules on the number and
place of depressed points need the field itself and are not applied, so a stage here is a bin of MD, not a diagnosis.
"""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import ArrayLike

from bundle.metrics.arrays import IntArray, finite_1d, paired_db
from bundle.metrics.regression import mse, regression_metrics

STAGES: tuple[str, ...] = ("near-normal", "early", "moderate", "severe")
STAGE_RANGES: dict[str, str] = {
    "near-normal": "MD > −3 dB",
    "early": "−6 < MD ≤ −3 dB",
    "moderate": "−12 ≤ MD ≤ −6 dB",
    "severe": "MD < −12 dB",
}
STAGE_EDGES_DB: tuple[float, float, float] = (-3.0, -6.0, -12.0)


def stage_index(md_db: ArrayLike) -> IntArray:
    """Position in `STAGES` of each MD (1-D, dB), 0 for near-normal to 3 for severe.

    Raises:
        ValueError: an MD that is NaN or infinite.
    """
    md = finite_1d(md_db, "md_db")
    near, early, moderate = STAGE_EDGES_DB
    # The edge belongs to the worse stage at -3 and -6, to the better one at -12: see the module's table.
    return (md <= near).astype(np.int64) + (md <= early) + (md < moderate)


def stage_of(md_db: float) -> str:
    """The stage's name.

    >>> [stage_of(md) for md in (-2.9, -3.0, -6.0, -12.0, -12.1)]
    ['near-normal', 'early', 'moderate', 'moderate', 'severe']
    """
    return STAGES[int(stage_index([md_db])[0])]


def per_stage_metrics(pred_db: ArrayLike, label_db: ArrayLike) -> dict[str, dict[str, float]]:
    """`regression_metrics` among the eyes of each *measured* stage, and their number `n`.

    Every stage is there; one without eyes has n = 0 and NaN metrics. A stage is a narrow band of labels: R2, Pearson
    and CCC inside it are far lower than overall even for a good network.
    """
    pred, label = paired_db(pred_db, label_db)
    index = stage_index(label)
    result = {}
    for position, stage in enumerate(STAGES):
        here = index == position
        result[stage] = {"n": float(here.sum()), **regression_metrics(pred[here], label[here])}
    return result


def balanced_mse(pred_db: ArrayLike, label_db: ArrayLike) -> float:
    """Mean of the stages' MSE, dB^2: each stage counts alike, however few eyes it has.

    The mean runs over the stages that have at least one eye; with no eyes at all it is NaN. Two sets of eyes are
    comparable only when the same stages are present in both.
    """
    pred, label = paired_db(pred_db, label_db)
    index = stage_index(label)
    present = [mse(pred[index == stage], label[index == stage]) for stage in np.unique(index)]
    return float(np.mean(present)) if present else nan
