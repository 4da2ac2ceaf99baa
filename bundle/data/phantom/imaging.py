"""What scanner and camera add to an eye: signal strength, tilt, motion, pallor, pigment, cataract, light."""

from __future__ import annotations

from math import sqrt

import numpy as np

from bundle.data.phantom.anatomy import OctAnatomy, disc_radii_mm
from bundle.data.phantom.angles import ANGLES_DEG
from bundle.data.phantom.fundus import FundusAnatomy
from bundle.data.phantom.latents import Eye, Patient
from bundle.data.phantom.vessels import Vessels

SIGNAL_MEAN, SIGNAL_SD = 8.0, 1.2  # Cirrus signal strength; below 5 a scan is repeated
SIGNAL_PER_CATARACT = -1.3
TILT_SD_UM_PER_MM = (45.0, 22.0)  # towards (temporal, superior); real disc scans slope by 0-100 um/mm
CURVATURE_UM_PER_MM2 = (12.0, 4.0)
DEPTH_MM = (1.15, 0.09)  # pigment epithelium below the top of the scan, mean and SD
AXIAL_JITTER_UM = (2.0, 9.0)  # range of the SD between B-scans
SACCADES_PER_SCAN, SACCADE_SD_MM = 0.5, 0.12
CUP_DEPTH_UM = (110.0, 70.0)  # mean and SD; CUP_DEEPENS_UM x loss of fibres is added
CUP_DEEPENS_UM = 330.0
PALLOR_PER_DB, PALLOR_SD = 1.0 / 25.0, 0.22  # pallor of the rim = damage / 25 dB + N(0, .22), assumed
PALLOR_VISIBILITY = 0.40
SHEEN = (0.45, 0.20)  # visibility of the nerve fibre layer, mean and SD, assumed
SHEEN_LOG_SD = 0.30  # reflectance differs by angle whatever the thickness, assumed
CRESCENT_SHARE = 0.45  # eyes with beta-zone atrophy; a little more with damage
CATARACT_ONSET_YEARS, CATARACT_SCALE_YEARS = 58.0, 28.0
DECENTRATION_MM = 0.10


def draw_cataract(age_years: float, rng: np.random.Generator) -> float:
    """Severity of lens opacity, 0 (clear) to 1: grows with age, differs between eyes."""
    mean = max(0.0, age_years - CATARACT_ONSET_YEARS) / CATARACT_SCALE_YEARS
    return float(np.clip(mean * rng.uniform(0.0, 1.3), 0.0, 1.0))


def draw_fibre_layer(eye: Eye, rng: np.random.Generator) -> np.ndarray:
    """Brightness of the nerve fibre layer by angle: thickness times a smooth random reflectance; (72,), about 1."""
    waves = [np.cos(np.radians(k * ANGLES_DEG) + 2.0 * np.pi * rng.random()) * rng.standard_normal() for k in (1, 2, 3)]
    return np.asarray(eye.rnfl_um / 92.0 * np.exp(SHEEN_LOG_SD * np.sum(waves, axis=0)))


def scan_oct(eye: Eye, vessels: Vessels, cataract: float, rng: np.random.Generator) -> OctAnatomy:
    """One OCT examination of an eye."""
    signal = np.clip(rng.normal(SIGNAL_MEAN, SIGNAL_SD) + SIGNAL_PER_CATARACT * cataract, 5.0, 10.0)
    loss = 1.0 - float(eye.retained.mean())
    return OctAnatomy(
        rnfl_um=eye.rnfl_um,
        cup_disc_ratio=eye.cup_disc_ratio,
        gcipl_um=eye.gcipl_um,
        disc_radius_mm=disc_radii_mm(eye.disc_area_mm2),
        cup_depth_um=float(np.clip(rng.normal(*CUP_DEPTH_UM) + CUP_DEEPENS_UM * loss, 0.0, 750.0)),
        signal_strength=round(float(signal), 1),
        tilt_um_per_mm=(float(rng.normal(0.0, TILT_SD_UM_PER_MM[0])), float(rng.normal(0.0, TILT_SD_UM_PER_MM[1]))),
        curvature_um_per_mm2=float(rng.normal(*CURVATURE_UM_PER_MM2)),
        depth_mm=float(rng.normal(*DEPTH_MM)),
        axial_jitter_um=float(rng.uniform(*AXIAL_JITTER_UM)),
        saccade_mm=tuple(float(s) for s in rng.normal(0.0, SACCADE_SD_MM, int(rng.poisson(SACCADES_PER_SCAN)))),
        vessels=vessels,
    )


def photograph(
    eye: Eye, patient: Patient, vessels: Vessels, cataract: float, rng: np.random.Generator
) -> FundusAnatomy:
    """One photograph of an eye. Fellow eyes share pigment, sheen, light and colour by and large."""
    mine = sqrt(0.7) * patient.fundus_z + sqrt(0.3) * rng.standard_normal(patient.fundus_z.size)
    pallor = PALLOR_PER_DB * float(eye.structure_damage_db.mean()) + rng.normal(0.0, PALLOR_SD)
    crescent = rng.random() < CRESCENT_SHARE + 0.15 * (1.0 - float(eye.retained.mean()))
    return FundusAnatomy(
        cup_disc_ratio=eye.cup_disc_ratio,
        fibre_layer=draw_fibre_layer(eye, rng),
        disc_radius_mm=disc_radii_mm(eye.disc_area_mm2),
        pallor=float(np.clip(0.12 + PALLOR_VISIBILITY * pallor, 0.0, 1.0)),
        sheen=float(np.clip(SHEEN[0] + SHEEN[1] * mine[0] - 0.3 * cataract, 0.0, 1.0)),
        crescent=float(rng.uniform(0.1, 0.7)) if crescent else 0.0,
        pigment=float(np.clip(0.6 * mine[1], -1.5, 1.5)),
        cataract_mm=0.02 + 0.10 * cataract * float(rng.uniform(0.5, 1.0)),
        veil=0.45 * cataract,
        exposure=float(np.exp(0.13 * rng.standard_normal() + 0.08 * mine[2])),
        warmth=float(0.06 * mine[3]),
        light=(float(rng.normal(0.0, 0.035)), float(rng.normal(0.0, 0.035))),
        decentration_mm=(float(rng.normal(0.0, DECENTRATION_MM)), float(rng.normal(0.0, DECENTRATION_MM))),
        vessels=vessels,
    )
