"""From damage to a measured 24-2 visual field, and from the field to MD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.data.perimetry import (
    BLIND_SPOT,
    MD_WEIGHTS,
    POINT_SECTORS,
    POINTS_DEG,
    mean_deviation_24_2,
    normal_sensitivity_24_2,
)
from bundle.data.phantom.angles import SECTORS

# Pointwise test-retest SD against true threshold, dB: vfpwgRetest24d2, 30 eyes x 12 visits. Below 5 dB
# the observed 3.4 dB is what censoring at 0 leaves of a wider scatter.
RETEST_THRESHOLD_DB = (-5.0, 2.5, 7.5, 12.5, 17.5, 22.5, 26.5, 29.5, 33.5)
RETEST_SD_DB = (2.5, 5.5, 6.6, 6.1, 4.8, 2.8, 1.7, 1.3, 1.2)
VISIT_SD_DB = 0.60  # whole-field shift between visits; .44 in vfpwgRetest24d2, routine more
BAD_VISIT_SHARE, BAD_VISIT_SD_DB = 0.06, 1.5  # fatigue, learning: about +- 2 dB in up to 10 % of tests (LEI-SFD)
POINT_SCATTER = 0.35  # log-SD of damage between points of one sector, assumed
MACULAR_SPARING = 0.35  # damage near fixation lags behind, assumed
LOWEST_DB = -12.0  # how far below "0 dB not seen" a blind point may lie
FALSE_POSITIVE_CEILING_DB = 36.0


@dataclass(frozen=True)
class Field:
    """One examination: true and measured thresholds, (54,) dB in right-eye orientation, and MD in dB."""

    true_db: np.ndarray
    measured_db: np.ndarray
    md_db: float


def point_weights() -> np.ndarray:
    """(6,) share of MD's weight that each sector of `SECTORS` carries, sum 1."""
    return np.array([MD_WEIGHTS[name == POINT_SECTORS].sum() for name in SECTORS])


def point_damage_db(sector_damage_db: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Damage of the 54 points: their sector's, scattered, less near fixation while damage is mild; blind spot 0.

    The MD-weighted mean over the field equals the weighted mean of the sectors.
    """
    by_name = dict(zip(SECTORS, sector_damage_db, strict=True))
    damage = np.array([by_name.get(name, 0.0) for name in POINT_SECTORS])
    mean = float(damage @ MD_WEIGHTS)
    if mean <= 0.0:
        return damage
    fade = np.exp(-mean / 12.0)
    central = np.exp(-np.sum(POINTS_DEG**2, axis=1) / 8.0**2)
    damage *= 1.0 - MACULAR_SPARING * fade * central
    damage *= np.exp(POINT_SCATTER * fade * rng.standard_normal(damage.size))
    return np.asarray(damage * mean / float(damage @ MD_WEIGHTS))


def retest_sd_db(threshold_db: np.ndarray) -> np.ndarray:
    """SD of repeated measurements of one point whose true threshold is given, dB, before censoring at 0."""
    return np.asarray(np.interp(threshold_db, RETEST_THRESHOLD_DB, RETEST_SD_DB))


def visit_shift_db(rng: np.random.Generator) -> float:
    """Shift of a whole field at one visit."""
    bad = rng.random() < BAD_VISIT_SHARE
    return float(rng.normal(0.0, BAD_VISIT_SD_DB if bad else VISIT_SD_DB))


def measure(true_db: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One test of a field: visit shift, pointwise noise, censoring at 0 dB, whole decibels; blind spot about 0-10."""
    noise = retest_sd_db(true_db) * rng.standard_normal(true_db.size)
    measured = true_db + visit_shift_db(rng) + noise
    measured = np.where(BLIND_SPOT, np.abs(rng.normal(0.0, 3.0, true_db.size)), measured)
    return np.asarray(np.rint(np.clip(measured, 0.0, FALSE_POSITIVE_CEILING_DB)))


def examine(sector_damage_db: np.ndarray, age_years: float, hill_offset_db: float, rng: np.random.Generator) -> Field:
    """A true field and one measurement of it.

    Args:
        sector_damage_db: (6,) damage in dB >= 0 in the order of `SECTORS`.
        age_years: sets the norm.
        hill_offset_db: how much better (+) or worse than the norm this person sees without disease.
        rng: source of the pattern and of the noise.
    """
    normal = np.where(BLIND_SPOT, 0.0, normal_sensitivity_24_2(age_years)) + hill_offset_db
    true = np.maximum(normal - point_damage_db(sector_damage_db, rng), LOWEST_DB)
    measured = measure(true, rng)
    return Field(true, measured, float(mean_deviation_24_2(measured, age_years)))
