"""Phantom eyes: OCT volume, disc photograph, 24-2 field and MD that follow from one hidden state; and the renderers."""

from bundle.data.phantom.anatomy import REALISTIC_GEOMETRY, OctAnatomy, OctGeometry, disc_radii_mm
from bundle.data.phantom.angles import ANGLES_DEG, N_ANGLES, SECTORS, rnfl_profile_from_quadrants
from bundle.data.phantom.cohort import make_phantom
from bundle.data.phantom.fundus import FundusAnatomy, render_fundus
from bundle.data.phantom.oct import mirror_left, render_oct
from bundle.data.phantom.phantom import Phantom, PhantomExamination
from bundle.data.phantom.presets import PRESETS, PhantomPreset, get_preset
from bundle.data.phantom.vessels import Vessels, grow_vessels, no_vessels

__all__ = [
    "ANGLES_DEG",
    "N_ANGLES",
    "PRESETS",
    "REALISTIC_GEOMETRY",
    "SECTORS",
    "FundusAnatomy",
    "OctAnatomy",
    "OctGeometry",
    "Phantom",
    "PhantomExamination",
    "PhantomPreset",
    "Vessels",
    "disc_radii_mm",
    "get_preset",
    "grow_vessels",
    "make_phantom",
    "mirror_left",
    "no_vessels",
    "render_fundus",
    "render_oct",
    "rnfl_profile_from_quadrants",
]
