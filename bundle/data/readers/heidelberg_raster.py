"""The raster that the B-scans of a Heidelberg scan make, from their start and end points in the infrared image.

The points are mm in the image as a photograph shows the eye: x to the right, y downwards, so superior is the smaller
y. A volume scan is stored from inferior to superior; the points decide, whatever the order.
"""

from __future__ import annotations

import numpy as np

from bundle.data.readers.records import MIN_BSCANS
from bundle.errors import InputError

PATTERNS = {1: "a single line scan", 2: "a circle scan", 5: "a radial (star) scan"}
_PARALLEL = 0.02  # sine of the greatest angle between two lines of a raster
_STEEP = 0.5  # sine of 30 degrees: beyond, left and superior are no longer where the axes say
_UNEVEN = 0.05  # share of the distance
_FAR_MM = 1000.0  # no point of an image of the eye is further; NaN is not nearer either
_ROUNDING_MM = 0.0015  # exports round the points to 0.001 mm


def refuse_pattern(what: str) -> InputError:
    """The error that says what a scan is when it is no raster."""
    return InputError(
        f"found {what}, expected a volume scan: its B-scans lie on no grid of voxels, so name the eye's volume scan"
    )


def raster_of_lines(lines_mm: np.ndarray) -> tuple[float, tuple[str, ...]]:
    """The distance between B-scans in mm and the axes that are stored back to front, as `Sidecar.reverse` names them.

    lines_mm: (B-scan, 2, 2), the start and the end of each line as (x, y) in mm, in the file's order.
    Raises InputError when the lines are too few, not parallel, unevenly spaced, shifted or steeper than 30 degrees.
    """
    if len(lines_mm) < MIN_BSCANS:
        raise InputError(f"found {len(lines_mm)} B-scans, expected a raster of at least {MIN_BSCANS}")
    run = lines_mm[:, 1] - lines_mm[:, 0]
    length = np.hypot(run[:, 0], run[:, 1])
    if not ((np.abs(lines_mm) < _FAR_MM).all() and length.min() > 0):
        raise InputError("found no positions of the B-scans, expected start and end points: export the scan again")
    along = run.mean(axis=0) / max(np.hypot(*run.mean(axis=0)), 1e-9)
    if np.abs(run[:, 0] * along[1] - run[:, 1] * along[0]).max() > _PARALLEL * length.min():
        raise refuse_pattern("B-scans that are not parallel, as in a radial (star) scan")
    reverse = []
    if along[0] < 0:
        along, reverse = -along, ["ascan"]
    if abs(along[1]) > _STEEP:
        raise InputError("found B-scans that run vertically, expected horizontal ones: export a horizontal volume scan")
    down = np.array([-along[1], along[0]])
    middle = lines_mm.mean(axis=1)
    steps, shift = np.diff(middle @ down), middle @ along
    step = steps.mean()
    if np.abs(steps - step).max() > _UNEVEN * abs(step) + _ROUNDING_MM or abs(step) < _ROUNDING_MM:
        raise refuse_pattern("B-scans that are unevenly spaced, as in circle scans or several scans in one file")
    if np.ptp(shift) > _UNEVEN * length.min() + _ROUNDING_MM:
        raise refuse_pattern("B-scans that are shifted against each other")
    if step < 0:
        reverse.append("bscan")
    return float(abs(step)), tuple(reverse)
