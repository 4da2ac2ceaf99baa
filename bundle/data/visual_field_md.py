"""MD of a visual field from its thresholds and published age norms, for files that carry no MD of their own."""

from __future__ import annotations

import numpy as np

from bundle.data.perimetry import BLIND_SPOT, POINTS_DEG, mean_deviation_24_2
from bundle.data.visual_field import VisualField
from bundle.data.visual_field_patterns import right_eye_orientation
from bundle.errors import InputError


def md_from_thresholds(field: VisualField, age_years: float) -> float:
    """Mean Deviation in dB of a 24-2 field, or of the 24-2 points of a 30-2 field; loss negative.

    Left eyes are mirrored first. Thresholds below 0 dB, which stand for "not seen", count as 0 dB. Norms, weights and
    how far the result is from a Humphrey printout: `bundle.data.perimetry.mean_deviation_24_2`. The norms are those of
    the Humphrey dB scale (10 000 asb is 0 dB) and of stimulus size III; use them for no other.

    Raises InputError when a point of the pattern 24-2 (blind spot apart) is absent or has no threshold, or when the age
    is impossible.
    """
    coordinates = np.rint(right_eye_orientation(field.points[:, :2], field.laterality))
    measured = {(x, y): value for (x, y), value in zip(coordinates.tolist(), field.points[:, 2], strict=True)}
    threshold_db = np.array([measured.get((x, y), np.nan) for x, y in POINTS_DEG.tolist()])
    n_missing = np.count_nonzero(np.isnan(threshold_db[~BLIND_SPOT]))
    if n_missing:
        raise InputError(
            f"found a field of pattern {field.pattern} in which {n_missing} of the 52 thresholds of pattern 24-2 are "
            "missing: norms are known for 24-2 only; write the printed MD as md_db in the manifest"
        )
    return float(mean_deviation_24_2(np.maximum(threshold_db, 0.0), age_years))
