"""Refuses visual fields whose numbers cannot be what they claim to be: eye, units, signs, ranges."""

from __future__ import annotations

import math

import numpy as np

from bundle.data.examination import EYES
from bundle.data.manifest_cells import MD_RANGE_DB
from bundle.data.visual_field_patterns import OTHER, pattern_of, right_eye_orientation
from bundle.errors import InputError

_MAX_ECCENTRICITY_DEG = 90.0
_SENSITIVITY_RANGE_DB = (-10.0, 60.0)  # unseen is stored as 0, -1 or -2; 50 dB is the dimmest stimulus there is
_MAX_TOTAL_DEVIATION_DB = 60.0
_MAX_PSD_DB = 30.0
_BLIND_SPOT_DEG = (15.0, -1.5)  # right-eye orientation
_BLIND_SPOT_RADIUS_DEG = 5.0
# MD weighs the points and the mean does not: on real fields they differ by 0.6 dB (SD). Beyond this, a sign is a sign.
_SIGN_MARGIN_DB = 1.0
_FLIPPED = "total deviation counts loss as positive"
_FIX_SIGN = "expected loss to be negative: change the sign in the export, or write md_db in the manifest"


def check_points(points: np.ndarray, laterality: str) -> None:
    """Refuse a field without points, with impossible ones, or with those of the other eye."""
    if laterality not in EYES:
        raise InputError("found no single eye, expected OD or OS: export each eye's field by itself")
    if points.ndim != 2 or points.shape[1] != 4 or len(points) == 0:
        raise InputError(f"found test points of shape {points.shape}, expected (n, 4) with at least one point")
    coordinates, sensitivity, deviation = points[:, :2], points[:, 2], points[:, 3]
    if not (np.abs(coordinates) <= _MAX_ECCENTRICITY_DEG).all():  # NaN fails too
        raise InputError("found a test point whose position is no number of degrees within 90: export the field again")
    if len(np.unique(coordinates, axis=0)) != len(points):
        raise InputError("found a test point twice, expected each position once: export one test at a time")
    low, high = _SENSITIVITY_RANGE_DB
    if np.any((sensitivity < low) | (sensitivity > high)) or np.isinf(sensitivity).any():
        raise InputError(f"found a sensitivity outside [{low:g}, {high:g}] dB: export the field again")
    if np.any(np.abs(deviation) > _MAX_TOTAL_DEVIATION_DB):
        raise InputError(f"found a total deviation beyond {_MAX_TOTAL_DEVIATION_DB:g} dB: export the field again")
    other = "OS" if laterality == "OD" else "OD"
    if (
        pattern_of(right_eye_orientation(coordinates, laterality)) == OTHER
        and pattern_of(right_eye_orientation(coordinates, other)) != OTHER
    ):
        raise InputError(f"found the test points of {other} in a field of {laterality}: correct the laterality")


def check_signs(md_db: float, points: np.ndarray, laterality: str) -> None:
    """Refuse a field that counts loss as positive.

    Total deviation is sensitivity minus a norm that varies little across the field. So sensitivity minus deviation is
    smooth; where instead sensitivity plus deviation is, the sign is turned. Then MD must have the sign of the mean.
    """
    seen = np.isfinite(points[:, 3]) & ~_in_blind_spot(points[:, :2], laterality)
    both = seen & np.isfinite(points[:, 2])
    if np.count_nonzero(both) >= 3:
        sensitivity, deviation = points[both, 2], points[both, 3]
        if np.var(sensitivity - deviation) > 4.0 * np.var(sensitivity + deviation):
            raise InputError(f"{_FLIPPED}, {_FIX_SIGN}")
    if not seen.any() or not math.isfinite(md_db):
        return
    mean_db = float(points[seen, 3].mean())
    if md_db * mean_db < 0.0 and min(abs(md_db), abs(mean_db)) > _SIGN_MARGIN_DB:
        raise InputError(f"found an MD of {md_db:+.2f} dB and a mean total deviation of {mean_db:+.2f} dB, {_FIX_SIGN}")


def check_md(md_db: float, psd_db: float) -> None:
    """Refuse an MD or PSD that no eye has; nan (not given) passes."""
    low, high = MD_RANGE_DB
    if not (math.isnan(md_db) or low <= md_db <= high):
        raise InputError(f"found an MD of {md_db:g} dB, expected [{low:g}, +{high:g}] dB with loss negative: check it")
    if not (math.isnan(psd_db) or 0.0 <= psd_db <= _MAX_PSD_DB):
        raise InputError(f"found a PSD of {psd_db:g} dB, expected 0 to {_MAX_PSD_DB:g} dB: export the field again")


def _in_blind_spot(coordinates_deg: np.ndarray, laterality: str) -> np.ndarray:
    away = right_eye_orientation(coordinates_deg, laterality) - _BLIND_SPOT_DEG
    return np.asarray(np.hypot(*away.T) < _BLIND_SPOT_RADIUS_DEG)
