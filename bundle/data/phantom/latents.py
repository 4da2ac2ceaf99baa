"""The hidden state of a patient and of each eye, from which field, OCT and photograph all follow.

Damage of an eye -> damage of six Garway-Heath sectors -> (a) thresholds, (b) nerve fibre and ganglion cell layers by
the Hood-Kardon model, R = b + s0 T with T = 10^(-damage/15) and a residual b that never dies, (c) rim, cup, pallor.
Sources: docs/phantom.md; "assumed" marks what no source gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt

import numpy as np

from bundle.data.phantom.angles import SECTORS
from bundle.data.phantom.field import Field, examine, point_weights
from bundle.data.phantom.presets import MAX_DAMAGE_DB, PhantomPreset
from bundle.data.phantom.structure import (
    DISC_AREA_MEAN_MM2,
    RNFL_EYE_CORRELATION,
    draw_cup,
    draw_gcipl_um,
    draw_rnfl_um,
    retained_by_angle,
)

AGE_MEAN_YEARS, AGE_SD_YEARS, AGE_RANGE_YEARS = 63.0, 12.0, (22.0, 92.0)
HILL_SD_DB = 0.75  # healthy people differ: 91 controls of visualFields, SD of MD 1.23 with visit noise
HILL_EYE_CORRELATION = 0.8  # assumed
HILL_MEAN_DB = 0.2  # of eyes seen in a clinic, relative to the norm; assumed
SECTOR_LOG_SD = 0.75  # how unevenly damage falls on the sectors while it is mild, assumed
HEMIFIELD_LOG_SD = 0.9  # upper against lower half, assumed
ASYMMETRY_FADES_DB = 15.0  # unevenness falls as exp(-damage / 15 dB), assumed
DISCORDANT_SHARE = 0.11  # 10-12 % of eyes lie outside the 95 % band of the Hood model
DISCORDANT_LOG_SD = 0.5  # their structural damage differs by this factor (log-SD), assumed
DISC_AREA_SD_MM2 = 0.38  # between eyes
DISC_EYE_CORRELATION = 0.8  # assumed


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What the two eyes share."""

    age_years: float
    sex: str
    damage_z: float
    hill_z: float
    rnfl_z: float
    disc_z: float
    fundus_z: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Eye:
    """Hidden state of one eye; arrays in right-eye orientation whichever eye it is.

    Attributes:
        damage_db: mean damage of the field, >= 0.
        sector_damage_db: (6,) functional damage in the order of `SECTORS`.
        structure_damage_db: (6,) damage that the anatomy shows; equal unless the eye is discordant.
        retained: (72,) share T = 10^(-damage/15) of nerve fibres by angle.
        rnfl_um: (72,) nerve fibre layer thickness by angle on the 3.46-mm circle.
        gcipl_um: (superior, inferior) ganglion cell + inner plexiform thickness.
        cup_disc_ratio: (72,) by angle.
        disc_area_mm2: area of Bruch's membrane opening.
        field: the examination, with MD.
    """

    damage_db: float
    sector_damage_db: np.ndarray
    structure_damage_db: np.ndarray
    retained: np.ndarray
    rnfl_um: np.ndarray
    gcipl_um: tuple[float, float]
    cup_disc_ratio: np.ndarray
    disc_area_mm2: float
    field: Field


def correlated(shared_z: float, correlation: float, rng: np.random.Generator) -> float:
    """A standard normal number whose correlation between two eyes with the same `shared_z` is `correlation`."""
    return sqrt(correlation) * shared_z + sqrt(1.0 - correlation) * float(rng.standard_normal())


def draw_patient(rng: np.random.Generator) -> Patient:
    """Age, sex and the shared parts of a patient."""
    age = float(np.clip(rng.normal(AGE_MEAN_YEARS, AGE_SD_YEARS), *AGE_RANGE_YEARS))
    z = rng.standard_normal(4)
    return Patient(
        age_years=round(age, 1),
        sex="F" if rng.random() < 0.54 else "M",
        damage_z=float(z[0]),
        hill_z=float(z[1]),
        rnfl_z=float(z[2]),
        disc_z=float(z[3]),
        fundus_z=rng.standard_normal(6),
    )


def draw_sector_damage(damage_db: float, rng: np.random.Generator) -> np.ndarray:
    """Spread a mean damage over the six sectors: log-normal with one factor for each hemifield, weighted mean kept."""
    fade = np.exp(-damage_db / ASYMMETRY_FADES_DB)
    upper_lower = HEMIFIELD_LOG_SD * fade * rng.standard_normal()
    side = np.array([0.0, -1.0, -1.0, 0.0, 1.0, 1.0])
    vulnerable = np.array([-0.3, 0.25, 0.0, -0.4, 0.1, 0.35]) * fade
    raw = np.exp(vulnerable + upper_lower * side + SECTOR_LOG_SD * fade * rng.standard_normal(len(SECTORS)))
    return np.asarray(np.minimum(damage_db * raw / float(point_weights() @ raw), 1.3 * MAX_DAMAGE_DB))


def draw_eye(patient: Patient, preset: PhantomPreset, rng: np.random.Generator) -> Eye:
    """Draw one eye of a patient."""
    z = correlated(patient.damage_z, preset.damage_correlation, rng)
    damage_db = float(preset.damage.quantile(np.asarray(0.5 * (1.0 + erf(z / sqrt(2.0))))))
    sectors = draw_sector_damage(damage_db, rng)
    discordance = float(rng.standard_normal()) * DISCORDANT_LOG_SD * float(rng.random() < DISCORDANT_SHARE)
    structure = np.minimum(sectors * np.exp(discordance), 1.5 * MAX_DAMAGE_DB)
    retained = retained_by_angle(structure)
    disc_area = DISC_AREA_MEAN_MM2 + DISC_AREA_SD_MM2 * correlated(patient.disc_z, DISC_EYE_CORRELATION, rng)
    disc_area = float(np.clip(disc_area, 1.1, 3.4))
    rnfl_z = correlated(patient.rnfl_z, RNFL_EYE_CORRELATION, rng)
    hill_db = HILL_MEAN_DB + HILL_SD_DB * correlated(patient.hill_z, HILL_EYE_CORRELATION, rng)
    return Eye(
        damage_db=damage_db,
        sector_damage_db=sectors,
        structure_damage_db=structure,
        retained=retained,
        rnfl_um=draw_rnfl_um(retained, patient.age_years, rnfl_z, rng),
        gcipl_um=draw_gcipl_um(structure, rng),
        cup_disc_ratio=draw_cup(retained, disc_area, rng),
        disc_area_mm2=disc_area,
        field=examine(sectors, patient.age_years, hill_db, rng),
    )
