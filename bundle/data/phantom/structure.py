"""What damage leaves of the nerve fibres, ganglion cells and rim of an eye."""

from __future__ import annotations

import numpy as np

from bundle.data.phantom.angles import (
    ANGLES_DEG,
    N_ANGLES,
    NORMAL_QUADRANTS_UM,
    SECTOR_LIMITS_DEG,
    SECTORS,
    blended_masks,
    rnfl_profile_from_quadrants,
)

RNFL_AGE_SLOPE_UM = -0.2  # a year; the normal quadrants are of 17-year-olds
RNFL_NORM_AGE_YEARS = 17.0
RNFL_LOG_SD = 0.095  # between healthy eyes (9.6 / 99.4 um); fellow eyes share most of it
RNFL_EYE_CORRELATION = 0.85  # assumed
RNFL_QUADRANT_LOG_SD = 0.07  # on top of it, each quadrant of each eye (11-17 um SD in all)
RNFL_REPEAT_SD_UM = 2.5  # repeatability 2.2, reproducibility 2.7 um
# Hood-Kardon average 10^(TD/10) over points; for a sector's mean loss in dB that falls more slowly, because its points
# differ, and devices meet their floor at -22 to -25 dB (Mwanza 2015). 15 dB a decade leaves 3 % there.
DECADE_DB = 15.0
RESIDUAL_SHARE, RESIDUAL_SD = 0.48, 0.05  # b / (b + s0): Hood-Kardon 45.5 um of about 95 um
GCIPL_RESIDUAL_SHARE = 0.62  # assumed, floor of about 55-60 % in macular scans
GCIPL_LOG_SD = 0.08  # 6 / 82 um
CDR_MEAN, CDR_SD = 0.36, 0.12  # cup-to-disc ratio without damage: .35 + N(0, .12) + disc size
CDR_PER_MM2 = 0.20  # larger discs have larger cups
CDR_PER_LOSS = 0.40  # rim loss: .35-.40 x (1 - T)
DISC_AREA_MEAN_MM2 = 1.98  # 1,521 normal eyes
HUMP_SHIFT_BINS = 1.3  # SD of the humps' place, in bins of 5 degrees, assumed
SECTOR_BLEND_DEG = 24.0  # borders between sectors are softened over this angle, assumed


def retained_by_angle(sector_damage_db: np.ndarray) -> np.ndarray:
    """Share of fibres left by angle, T = 10^(-damage/15), smooth across the sectors' borders: (72,)."""
    return np.asarray(10.0 ** (-sector_damage_db / DECADE_DB) @ _SECTOR_WINDOWS)


def draw_rnfl_um(retained: np.ndarray, age_years: float, rnfl_z: float, rng: np.random.Generator) -> np.ndarray:
    """Nerve fibre layer by angle: a healthy profile of this age and person, reduced by the Hood-Kardon model."""
    ageing = 1.0 + RNFL_AGE_SLOPE_UM * (age_years - RNFL_NORM_AGE_YEARS) / float(np.mean(NORMAL_QUADRANTS_UM))
    person = np.exp(RNFL_LOG_SD * rnfl_z + RNFL_QUADRANT_LOG_SD * rng.standard_normal(4))
    healthy = rnfl_profile_from_quadrants(*(np.array(NORMAL_QUADRANTS_UM) * ageing * person))
    healthy = np.roll(healthy, round(rng.normal(0.0, HUMP_SHIFT_BINS)))  # the humps stand elsewhere in every eye
    residual = float(np.clip(rng.normal(RESIDUAL_SHARE, RESIDUAL_SD), 0.3, 0.7))
    thickness = healthy * (residual + (1.0 - residual) * retained) + rng.normal(0.0, RNFL_REPEAT_SD_UM)
    return np.asarray(np.maximum(thickness, 8.0))


def draw_gcipl_um(structure_damage_db: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Ganglion cell layers of the superior and inferior half, from the temporal sectors of that half."""
    left = 10.0 ** (-structure_damage_db / DECADE_DB)
    person = 47.0 * np.exp(GCIPL_LOG_SD * rng.standard_normal())
    halves = (0.3 * left[0] + 0.7 * left[SECTORS.index("TS")], 0.3 * left[0] + 0.7 * left[SECTORS.index("TI")])
    above, below = (person * (GCIPL_RESIDUAL_SHARE + (1.0 - GCIPL_RESIDUAL_SHARE) * h) for h in halves)
    return float(above), float(below)


def draw_cup(retained: np.ndarray, disc_area_mm2: float, rng: np.random.Generator) -> np.ndarray:
    """Cup-to-disc ratio by angle: physiological size, disc size, general rim loss and local notches."""
    base = rng.normal(CDR_MEAN, CDR_SD) + CDR_PER_MM2 * (disc_area_mm2 - DISC_AREA_MEAN_MM2)
    loss = 1.0 - retained
    rim = 0.5 * loss + 0.5 * loss.mean()
    wobble = sum(0.02 * rng.standard_normal() * np.cos(np.radians(k * ANGLES_DEG) + 6.3 * rng.random()) for k in (1, 2))
    return np.asarray(np.clip(base + CDR_PER_LOSS * rim + np.asarray(wobble), 0.08, 0.95))


def _sector_windows() -> np.ndarray:
    limits = list(SECTOR_LIMITS_DEG.values())
    centres, halves = [(a + b) / 2.0 for a, b in limits], [(b - a) / 2.0 for a, b in limits]
    windows = blended_masks(centres, halves, SECTOR_BLEND_DEG)
    if windows.shape != (len(SECTORS), N_ANGLES):
        raise AssertionError(windows.shape)
    return windows


_SECTOR_WINDOWS = _sector_windows()
