"""Standard automated perimetry, pattern 24-2: test points, age norms, total deviation and Mean Deviation (MD).

Norms are the set "sunyiu_24d2" of the R package visualFields 1.0.7 (cran/visualFields, Apache-2.0), made from
healthy eyes tested with SITA Standard, stimulus size III. Its values are quadratic in the test point's position,
so each table below is kept as five numbers; they reproduce the package's tables to rounding.

Fields are in right-eye orientation: x > 0 is temporal, where the blind spot is; a left eye is mirrored beforehand.
"""

from __future__ import annotations

import numpy as np

from bundle.errors import InputError

N_POINTS = 54
# Upper rows of the pattern from above (the lower ones mirror them): y and first and last x, degrees.
_UPPER_ROWS_DEG = ((21, -9, 9), (15, -15, 15), (9, -21, 21), (3, -27, 21))
_ROWS_DEG = (*_UPPER_ROWS_DEG, *((-y, first, last) for y, first, last in reversed(_UPPER_ROWS_DEG)))
POINTS_DEG: np.ndarray = np.array(
    [(x, y) for y, first, last in _ROWS_DEG for x in range(first, last + 1, 6)], dtype=np.float64
)
"""(54, 2) x (temporal +) and y (superior +) of the test points in degrees, row by row from upper left."""

BLIND_SPOT_POINTS = (26, 35)
"""Numbers, counted from 1, of the two points in the blind spot: (15, 3) and (15, -3) degrees."""

BLIND_SPOT: np.ndarray = np.isin(np.arange(1, N_POINTS + 1), BLIND_SPOT_POINTS)
"""(54,) bool, true at the two points that are left out of every index."""

# Coefficients of 1, x, y, x^2, y^2 (degrees). Threshold in dB = intercept + slope * age in years.
_INTERCEPT_DB = (35.58497, 0.01473715, -0.07437680, -0.003886679, -0.008269197)
_SLOPE_DB_PER_YEAR = (-0.04813602, -1.201750e-4, 1.602262e-4, -5.212540e-5, -3.457193e-5)
_TD_SD_DB = (1.365309, 0.005620865, 0.01219284, 0.001741999, 0.003086749)


def _quadratic(coefficients: tuple[float, ...]) -> np.ndarray:
    x, y = POINTS_DEG.T
    values = np.stack([np.ones_like(x), x, y, x**2, y**2], axis=1) @ np.array(coefficients)
    return np.asarray(np.where(BLIND_SPOT, np.nan, values))


NORM_INTERCEPT_DB: np.ndarray = _quadratic(_INTERCEPT_DB)
NORM_SLOPE_DB_PER_YEAR: np.ndarray = _quadratic(_SLOPE_DB_PER_YEAR)
TD_SD_DB: np.ndarray = _quadratic(_TD_SD_DB)
"""(54,) SD of total deviation in healthy eyes, dB; NaN in the blind spot."""

MD_WEIGHTS: np.ndarray = np.where(BLIND_SPOT, 0.0, 1.0 / np.where(BLIND_SPOT, 1.0, TD_SD_DB))
MD_WEIGHTS /= MD_WEIGHTS.sum()
"""(54,) weight of every point in MD, sum 1, 0 in the blind spot; proportional to 1 / SD as in visualFields."""

# Garway-Heath sector of the disc that serves each point (Ophthalmology 2000; 107:1809), 8 points for T, 14 for TS and
# TI, 7 for NS and NI, 2 for N. The upper field belongs to the lower disc. Border points follow the nerve fibre paths.
_UPPER_SECTORS = ("TI TI NI NI", "TI TI TI TI NI NI", "TI TI TI TI TI NI NI NI", "TI TI TI T T T T - N")
_MIRRORED = {"TI": "TS", "NI": "NS", "T": "T", "N": "N", "-": "-"}
_UPPER = [row.split() for row in _UPPER_SECTORS]
POINT_SECTORS: np.ndarray = np.array(
    [name for row in _UPPER for name in row] + [_MIRRORED[name] for row in reversed(_UPPER) for name in row]
)
"""(54,) text: "T", "TS", "NS", "N", "NI" or "TI"; "-" in the blind spot."""


def normal_sensitivity_24_2(age_years: np.ndarray | float) -> np.ndarray:
    """Mean threshold of a healthy eye: (..., 54) dB for age (...,), NaN in the blind spot."""
    age = np.asarray(age_years, dtype=np.float64)
    if not np.all(np.isfinite(age)) or np.any((age < 0.0) | (age > 120.0)):
        raise InputError("age: found a value that is not a number from 0 to 120 years")
    return np.asarray(NORM_INTERCEPT_DB + NORM_SLOPE_DB_PER_YEAR * age[..., None])


def total_deviation_24_2(sensitivity_db: np.ndarray, age_years: np.ndarray | float) -> np.ndarray:
    """Total deviation: threshold minus the age norm, point by point.

    Args:
        sensitivity_db: (..., 54) thresholds in dB, right-eye orientation, order of `POINTS_DEG`.
            The two blind-spot values are ignored and may be NaN.
        age_years: (...,) or one number.

    Returns:
        (..., 54) dB, negative = loss; NaN in the blind spot.

    Raises:
        InputError: the last axis is not 54, a point outside the blind spot is not finite, or an age is impossible.
    """
    field = np.asarray(sensitivity_db, dtype=np.float64)
    if field.ndim == 0 or field.shape[-1] != N_POINTS:
        raise InputError(f"visual field: found shape {field.shape}, expected (..., {N_POINTS}) for pattern 24-2")
    if not np.all(np.isfinite(field[..., ~BLIND_SPOT])):
        raise InputError("visual field: found a missing threshold outside the blind spot, expected 52 numbers in dB")
    return np.asarray(field - normal_sensitivity_24_2(age_years))


def mean_deviation_24_2(sensitivity_db: np.ndarray, age_years: np.ndarray | float) -> np.ndarray:
    """Mean Deviation of 24-2 fields: MD = sum_i w_i TD_i, w_i proportional to 1 / SD_i, sum 1, no blind spot.

    visualFields weighs by 1 / SD; a Humphrey analyser weighs by 1 / SD^2 with norms of its own (Heijl 1987), which
    are not public. On 16 eyes with printed Humphrey MD the set used here differed by -.06 +- .45 dB (r = .993).

    Args:
        sensitivity_db: (..., 54) thresholds in dB as for `total_deviation_24_2`.
        age_years: (...,) or one number.

    Returns:
        (...,) float64 dB; 0 = as good as the average healthy eye of this age, negative = loss.

    Raises:
        InputError: as `total_deviation_24_2`.

    >>> float(mean_deviation_24_2(normal_sensitivity_24_2(60.0) - 5.0, 60.0).round(9))
    -5.0
    """
    deviation_db = total_deviation_24_2(sensitivity_db, age_years)
    return np.asarray(deviation_db[..., ~BLIND_SPOT] @ MD_WEIGHTS[~BLIND_SPOT])
