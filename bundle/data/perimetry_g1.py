"""The Octopus G1 test pattern: where its 59 points lie, what a healthy eye of a given age sees there, and the label.

Point order. GRAPE stores 60 values a field, columns 0 to 59: the 59 points of G1 and, as column 21, the blind spot.
They run in rings outwards from fixation, each ring from the temporal horizontal meridian through the inferior, the
nasal and the superior field. The order is undocumented; it was worked out from the fields (checks: docs/grape.md).

Right-eye format. Left eyes are stored as right eyes: +x is the temporal field (the blind spot's side), +y the superior.

Norm. No norm of the Octopus is public. The normal sensitivity is the hill of vision of 263 fields of 91 healthy
subjects aged 42 to 85 (SUNY-IU, Humphrey 24-2; R package visualFields 1.0.7, `vfctrSunyiu24d2`, Apache-2.0): at each of
the 52 points a line in age, each subject weighing the same, and through the 52 intercepts and the 52 slopes a surface
a + b x + c y + d x^2 + e y^2 (degrees). The surface leaves 0.43 dB RMS at the age of 60 (0.95 dB at most), and equals
the package's own smooth norm to 1e-13. It is moved to the Octopus scale, whose 0 dB is 4000 asb against Humphrey's
10000 asb. Staircase and stimulus time differ between the instruments, so the label's zero is known to about 1 dB only;
differences between eyes do not depend on it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_COLUMNS = 60
BLIND_SPOT_COLUMN = 21
NOT_SEEN = -1  # stored where not even the brightest stimulus was seen, and at the blind spot

_RINGS_DEG: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0, 0),),
    ((2, -2), (-2, -2), (-2, 2), (2, 2)),
    ((4, -4), (-4, -4), (-4, 4), (4, 4)),
    ((8, -2), (8, -8), (3, -9), (-3, -9), (-8, -8), (-8, -2), (-8, 2), (-8, 8), (-2, 8), (2, 8), (8, 8), (8, 2)),
    # column 21, the blind spot, opens this ring at the temporal meridian
    ((12, -12), (4, -14), (-4, -14), (-12, -12), (-14, -4), (-14, 4), (-12, 12), (-4, 14), (4, 14), (12, 12)),
    (
        (22, -4), (20, -12), (20, -20), (12, -20), (4, -20), (-4, -20), (-12, -20), (-20, -20), (-20, -12), (-20, -4),
        (-20, 4), (-20, 12), (-20, 20), (-12, 20), (-4, 20), (4, 20), (12, 20), (20, 20), (20, 12), (22, 4),
    ),
    ((26, -8), (8, -26), (-8, -26), (-26, -4), (-26, 4), (-8, 26), (8, 26), (26, 8)),
)  # fmt: skip
COORDINATES_DEG: NDArray[np.float64] = np.array([point for ring in _RINGS_DEG for point in ring], dtype=np.float64)
"""(59, 2) x and y in degrees of the columns 0-20 and 22-59, right-eye format."""

# a, b, c, d, e of the surface a + b x + c y + d x^2 + e y^2, in Humphrey dB and dB a year of age
_INTERCEPT_SURFACE = (35.58496878, 0.01473715, -0.0743768, -0.00388668, -0.0082692)
_SLOPE_SURFACE = (-0.04813602, -0.00012018, 0.00016023, -0.00005213, -0.00003457)
HUMPHREY_MAX_ASB = 10_000.0
OCTOPUS_MAX_ASB = 4_000.0
SCALE_OFFSET_DB = 10.0 * math.log10(HUMPHREY_MAX_ASB / OCTOPUS_MAX_ASB)  # 3.98 dB


def normal_sensitivity_db(age_years: float) -> NDArray[np.float64]:
    """(59,) sensitivity in Octopus dB of a healthy eye; outside 42 to 85 years the line in age is extrapolated."""
    x, y = COORDINATES_DEG.T
    terms = np.stack([np.ones_like(x), x, y, x**2, y**2])
    surface = np.asarray(_INTERCEPT_SURFACE) + age_years * np.asarray(_SLOPE_SURFACE)
    return surface @ terms - SCALE_OFFSET_DB


def point_sensitivities_db(columns_db: ArrayLike) -> NDArray[np.float64]:
    """(59,) sensitivities of the tested points from the 60 stored columns, unseen points as 0 dB.

    -1 means that the brightest stimulus was not seen, 0 dB that it just was; neither says less than 0 dB, so they count
    the same. Raises ValueError unless there are 60 finite values >= -1 and column 21 is -1 (else the order is another).
    """
    columns = np.asarray(columns_db, dtype=np.float64)
    if columns.shape != (N_COLUMNS,):
        raise ValueError(f"found {columns.shape} sensitivities, expected ({N_COLUMNS},)")
    if not np.isfinite(columns).all() or (columns < NOT_SEEN).any():
        raise ValueError("found a sensitivity that is no number or below -1, expected dB from -1 upwards")
    if columns[BLIND_SPOT_COLUMN] != NOT_SEEN:
        raise ValueError(f"found {columns[BLIND_SPOT_COLUMN]:g} in column 21, expected -1 at the blind spot")
    return np.maximum(np.delete(columns, BLIND_SPOT_COLUMN), 0.0)


def mean_sensitivity_db(sensitivities_db: ArrayLike) -> float:
    """Mean of the 59 sensitivities, Octopus dB."""
    return float(np.mean(_checked(sensitivities_db)))


def mean_deviation_db(sensitivities_db: ArrayLike, age_years: float) -> float:
    """Mean over the 59 points of (sensitivity - normal for the age), in dB; negative = loss.

    This is Octopus' mean defect (the unweighted mean over the points) with the sign of the Humphrey MD.
    Example: `mean_deviation_db(normal_sensitivity_db(50.0), 50.0) == 0.0`.
    """
    return float(np.mean(_checked(sensitivities_db) - normal_sensitivity_db(age_years)))


def _checked(sensitivities_db: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(sensitivities_db, dtype=np.float64)
    if values.shape != (N_COLUMNS - 1,):
        raise ValueError(f"found {values.shape} sensitivities, expected ({N_COLUMNS - 1},) without the blind spot")
    return values
