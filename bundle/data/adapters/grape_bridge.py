"""Renders the measured RNFL of a real eye into an OCT volume: the OCT half of the bridge cohort.

Only the four RNFL quadrants come from the eye. Disc, cup, vessels, signal strength, tilt and speckle are drawn from a
generator seeded by which eye of GRAPE it is, independent of every measurement, so the volume tells nothing about the
label but the RNFL.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from bundle.data.adapters.grape import GrapeVisit
from bundle.data.phantom.anatomy import (
    NORMAL_CUP_DISC_RATIO,
    NORMAL_DISC_AREA_MM2,
    NORMAL_GCIPL_UM,
    OctAnatomy,
    OctGeometry,
)
from bundle.data.phantom.oct import mirror_left, render_oct
from bundle.data.phantom.vessels import grow_vessels

# SD between eyes and limits of what is drawn; cup and disc as in 1,521 normal eyes (design notes, data.md 5.3)
_CUP_DISC_SD, _CUP_DISC_LIMITS = 0.18, (0.1, 0.8)
_DISC_AREA_SD, _DISC_AREA_LIMITS = 0.38, (1.2, 3.2)
_SIGNAL_STRENGTH = (6.0, 10.0)
_TILT_SD_UM_PER_MM = 12.0


def eye_generator(visit: GrapeVisit, seed: int) -> np.random.Generator:
    """A generator that depends on the seed and on which eye and visit it is, and on no measurement."""
    name = f"{seed}:{visit.subject}:{visit.eye}:{visit.visit}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big"))


def bridge_anatomy(visit: GrapeVisit, rng: np.random.Generator) -> OctAnatomy:
    """The eye's measured quadrants on a disc drawn at random; ValueError when the visit has no RNFL."""
    if visit.rnfl is None:
        raise ValueError(f"{visit.source}: no RNFL, so no OCT can be rendered")
    rnfl = visit.rnfl
    return OctAnatomy.from_quadrants(
        rnfl.temporal_um,
        rnfl.superior_um,
        rnfl.nasal_um,
        rnfl.inferior_um,
        cup_disc_ratio=float(np.clip(rng.normal(NORMAL_CUP_DISC_RATIO, _CUP_DISC_SD), *_CUP_DISC_LIMITS)),
        disc_area_mm2=float(np.clip(rng.normal(NORMAL_DISC_AREA_MM2, _DISC_AREA_SD), *_DISC_AREA_LIMITS)),
        gcipl_um=(NORMAL_GCIPL_UM, NORMAL_GCIPL_UM),
        signal_strength=float(rng.uniform(*_SIGNAL_STRENGTH)),
        tilt_um_per_mm=(float(rng.normal(0, _TILT_SD_UM_PER_MM)), float(rng.normal(0, _TILT_SD_UM_PER_MM))),
        vessels=grow_vessels(rng),
    )


def bridge_oct(visit: GrapeVisit, geometry: OctGeometry, seed: int) -> NDArray[np.uint8]:
    """`geometry.shape` uint8 volume (B-scan, depth, A-scan) as a device stores it: a left eye is mirrored."""
    rng = eye_generator(visit, seed)
    return mirror_left(render_oct(bridge_anatomy(visit, rng), geometry, rng), visit.eye)
