"""Which Humphrey test pattern a set of test points is, told by the coordinates: 24-2, 30-2 or 10-2.

Coordinates are degrees in right-eye orientation (x > 0 temporal). They are compared without fixation, which some tests
add, and without the two points in the blind spot of 24-2 and 30-2, which some exports leave out.
"""

from __future__ import annotations

import numpy as np

from bundle.data.perimetry import BLIND_SPOT, POINTS_DEG

OTHER = "other"
_ON_GRID_DEG = 0.1  # how far a stored coordinate may be from a whole degree
_MIRROR = np.array([-1.0, 1.0])
Points = frozenset[tuple[int, int]]


def _pattern(upper_rows_deg: tuple[tuple[int, int], ...], step_deg: int) -> Points:
    """Points of a pattern that is its own mirror image: (y, largest x) of the upper rows, from their symmetry."""
    quarter = [(x, y) for y, last in upper_rows_deg for x in range(step_deg // 2, last + 1, step_deg)]
    return frozenset((sx * x, sy * y) for x, y in quarter for sx in (-1, 1) for sy in (-1, 1))


def _points(coordinates_deg: np.ndarray) -> Points:
    return frozenset((int(x), int(y)) for x, y in np.rint(coordinates_deg))


_IGNORED = _points(POINTS_DEG[BLIND_SPOT]) | {(0, 0)}
_PATTERNS = {
    "24-2": _points(POINTS_DEG),
    "30-2": _pattern(((27, 9), (21, 15), (15, 21), (9, 27), (3, 27)), 6),
    "10-2": _pattern(((9, 1), (7, 5), (5, 7), (3, 7), (1, 9)), 2),
}


def right_eye_orientation(coordinates_deg: np.ndarray, laterality: str) -> np.ndarray:
    """(n, 2) degrees with x > 0 temporal, from (n, 2) with x > 0 to the right as the subject sees it."""
    return np.asarray(coordinates_deg * _MIRROR if laterality == "OS" else coordinates_deg)


def pattern_of(coordinates_deg: np.ndarray) -> str:
    """ "24-2", "30-2", "10-2" or "other" for (n, 2) points in right-eye orientation."""
    if np.abs(coordinates_deg - np.rint(coordinates_deg)).max() > _ON_GRID_DEG:
        return OTHER
    found = _points(coordinates_deg) - _IGNORED
    return next((name for name, points in _PATTERNS.items() if points - _IGNORED == found), OTHER)
