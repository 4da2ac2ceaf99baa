"""Recalibrated fusion: a ridge regression around the fused prediction, on eyes that trained no weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bundle.metrics.arrays import FloatArray

FUSED, OCT, FUNDUS = "oct+fundus", "oct", "fundus"
MIN_EYES = 75
PENALTY = 10.0


@dataclass(frozen=True)
class Recalibration:
    """Coefficients in units of the train split's MD, s = (pred - mean) / SD. All zero: nothing changes.

        fused:   s <- s + c_0 + c_1 s_oct + c_2 s_fundus + c_3 s_oct s_fundus
        one modality m:   s_m <- s_m + a_m + b_m s_m

    Attributes:
        mean_db, sd_db: mean and SD of MD in the train split, dB.
        fused: (c_0, c_1, c_2, c_3).
        oct, fundus: (a, b) of the answer from that modality alone.
    """

    mean_db: float
    sd_db: float
    fused: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    oct: tuple[float, float] = (0.0, 0.0)
    fundus: tuple[float, float] = (0.0, 0.0)

    def apply(self, pred_db: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """Recalibrated predictions, dB: the keys "oct+fundus", "oct", "fundus" of `pred_db`, NaN where it has NaN.

        A fused answer without both of its modalities' own answers stays as it is. Zero coefficients change no bit.
        """
        old = {name: np.asarray(values, np.float64) for name, values in pred_db.items()}
        s = {name: (values - self.mean_db) / self.sd_db for name, values in old.items()}
        shift = {}
        if {FUSED, OCT, FUNDUS} <= s.keys():
            shift[FUSED] = _fused_design(s[OCT], s[FUNDUS]) @ np.array(self.fused)
        for name, line in ((OCT, self.oct), (FUNDUS, self.fundus)):
            if name in s:
                shift[name] = _line_design(s[name]) @ np.array(line)
        return {name: values + self.sd_db * np.nan_to_num(shift.get(name, 0.0)) for name, values in old.items()}


def fit_recalibration(
    pred_db: Mapping[str, ArrayLike],
    label_db: ArrayLike,
    mean_db: float,
    sd_db: float,
    penalty: float = PENALTY,
    min_eyes: int = MIN_EYES,
    product: bool = True,
    lines: bool = True,
) -> Recalibration:
    """Ridge regression of the remaining error (docs/method.md, recalibrated fusion).

        minimise  sum_i ( (y_i - yhat_i) / SD - x_i c )^2 + penalty sum_{k > 0} c_k^2

    with x = (1, s_oct, s_fundus, s_oct s_fundus) for the fused answer and x = (1, s_m) for the answer of a modality
    alone. The intercept c_0 is free. As penalty goes to infinity, only the mean error is removed.

    Args:
        pred_db: predictions of eyes that trained no weight, such as the validation split, under "oct+fundus", "oct"
            and "fundus", (n,) each, dB, NaN where there is none; a key may be missing.
        label_db: (n,) measured MD, dB; NaN rows are left out.
        mean_db, sd_db: of the train split.
        penalty: >= 0, in eyes.
        min_eyes: with fewer eyes than this an answer stays as it is.
        product: False leaves s_oct s_fundus out; with penalty 0, around any weighted mean of both, the fused answer is
            then the least-squares stack of the two.
        lines: False leaves the answers from one modality alone as they are.
    """
    label = np.asarray(label_db, np.float64)
    pred = {name: np.asarray(values, np.float64) for name, values in pred_db.items()}
    s = {name: (values - mean_db) / sd_db for name, values in pred.items()}
    target = (label - mean_db) / sd_db
    fused, alone = np.zeros(4), {OCT: np.zeros(2), FUNDUS: np.zeros(2)}
    if {FUSED, OCT, FUNDUS} <= s.keys():
        columns = 4 if product else 3
        design = _fused_design(s[OCT], s[FUNDUS])[:, :columns]
        fused[:columns] = _ridge(design, target - s[FUSED], penalty, min_eyes)
    for name in alone:
        if lines and name in s:
            alone[name] = _ridge(_line_design(s[name]), target - s[name], penalty, min_eyes)
    c0, c1, c2, c3 = map(float, fused)
    (a_oct, b_oct), (a_fundus, b_fundus) = (map(float, alone[name]) for name in (OCT, FUNDUS))
    return Recalibration(float(mean_db), float(sd_db), (c0, c1, c2, c3), (a_oct, b_oct), (a_fundus, b_fundus))


def _fused_design(s_oct: FloatArray, s_fundus: FloatArray) -> FloatArray:
    return np.stack([np.ones_like(s_oct), s_oct, s_fundus, s_oct * s_fundus], axis=-1)


def _line_design(s: FloatArray) -> FloatArray:
    return np.stack([np.ones_like(s), s], axis=-1)


def _ridge(design: FloatArray, target: FloatArray, penalty: float, min_eyes: int) -> FloatArray:
    """Coefficients, (k,); zeros with fewer than `min_eyes` complete rows."""
    complete = np.isfinite(design).all(axis=1) & np.isfinite(target)
    if complete.sum() < min_eyes:
        return np.zeros(design.shape[1])
    x, y = design[complete, 1:], target[complete]
    centre = x.mean(axis=0)
    # The free intercept drops out of centred columns. The penalty enters as rows of its own and not as x'x + penalty,
    # whose condition number is the square.
    rows = np.concatenate([x - centre, np.sqrt(penalty) * np.eye(x.shape[1])])
    slope = np.linalg.lstsq(rows, np.concatenate([y - y.mean(), np.zeros(x.shape[1])]), rcond=None)[0]
    return np.concatenate([[y.mean() - centre @ slope], slope])
