"""Depth of the retinal layers around and inside the optic disc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.data.phantom.anatomy import OctAnatomy
from bundle.data.phantom.angles import interpolate_profile

MEASURING_RADIUS_MM = 1.73  # radius of the 3.46-mm circle on which devices measure the RNFL
RNFL_DECAY_POWER = 0.7  # thickness falls as radius^-.7 away from the disc, assumed (1 = constant area)
ARCUATE_BEND_RAD_PER_MM = 0.25  # how fast bundles bend towards the macula, after the shape of Jansonius' model
# Thickness in um of the layers below the ganglion cells in real Cirrus disc B-scans; choroid, sclera
# and the lamina are assumed.
INL_UM, OPL_UM, ONL_UM, IS_OS_UM, RPE_UM = 25.0, 22.0, 65.0, 34.0, 26.0
CHOROID_UM, OUTER_CHOROID_UM, SCLERA_UM = 150.0, 110.0, 220.0
LAMINA_BELOW_RPE_UM, LAMINA_BELOW_CUP_UM = 200.0, 70.0
TAPER_MM = 0.22  # the inner layers thin out over this distance from Bruch's membrane opening
CUP_WALL = 0.22  # half width of the cup's wall, in disc radii
RIM_GLIA = 0.6  # share of the inner layers' height that nerve fibres and glia fill at the margin


@dataclass(frozen=True)
class Surfaces:
    """Depth in um of the 11 boundaries between 12 layers, (11, B, A) from the inner limiting membrane downwards,
    `inside_disc` (B, A), 1 inside Bruch's membrane opening and 0 outside, and `canal` (B, A), the same with a wide
    edge, for the tissue below."""

    depth_um: np.ndarray
    inside_disc: np.ndarray
    canal: np.ndarray


def smoothstep(t: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth in between."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def rnfl_thickness_um(anatomy: OctAnatomy, radius_mm: np.ndarray, angle_rad: np.ndarray) -> np.ndarray:
    """RNFL thickness anywhere: on the 3.46-mm circle it is the profile itself.

    Bundles bend temporally with distance (the angle at which they crossed the circle is looked up), and thickness
    falls as a power of the radius.
    """
    bend = np.sin(angle_rad) * (1.0 + np.cos(angle_rad)) / 2.0
    crossing = angle_rad + ARCUATE_BEND_RAD_PER_MM * (radius_mm - MEASURING_RADIUS_MM) * bend
    profile = interpolate_profile(anatomy.rnfl_um, crossing)
    return np.asarray(profile * (np.maximum(radius_mm, 0.4) / MEASURING_RADIUS_MM) ** -RNFL_DECAY_POWER)


def gcipl_thickness_um(anatomy: OctAnatomy, temporal_mm: np.ndarray, superior_mm: np.ndarray) -> np.ndarray:
    """Ganglion cell + inner plexiform layer: blends the two halves across the horizontal, thicker temporally."""
    blend = smoothstep(superior_mm / 1.0 + 0.5)
    mean = anatomy.gcipl_um[1] * (1.0 - blend) + anatomy.gcipl_um[0] * blend
    return np.asarray(mean * (1.0 + 0.08 * temporal_mm))


def layer_surfaces(
    anatomy: OctAnatomy, temporal_mm: np.ndarray, superior_mm: np.ndarray, offset_um: np.ndarray
) -> Surfaces:
    """Boundaries at the given A-scan positions, each argument (B, A)."""
    radius = np.hypot(temporal_mm, superior_mm)
    angle = np.arctan2(superior_mm, temporal_mm)
    horizontal, vertical = anatomy.disc_radius_mm
    disc_radius = horizontal * vertical / np.hypot(vertical * np.cos(angle), horizontal * np.sin(angle))
    rho = radius / disc_radius
    outside = smoothstep((radius - disc_radius) / TAPER_MM)
    inside_disc = 1.0 - smoothstep((radius - disc_radius) / 0.06 + 0.5)
    canal = 1.0 - smoothstep((radius - disc_radius) / 0.35 + 0.8)

    tilt_t, tilt_s = anatomy.tilt_um_per_mm
    rpe = anatomy.depth_mm * 1000.0 + tilt_t * temporal_mm + tilt_s * superior_mm + offset_um
    rpe = rpe - anatomy.curvature_um_per_mm2 * radius**2
    gcipl = gcipl_thickness_um(anatomy, temporal_mm, superior_mm) * outside
    inl, opl, onl, is_os = (t * outside for t in (INL_UM, OPL_UM, ONL_UM, IS_OS_UM))
    rim_um = rnfl_thickness_um(anatomy, np.maximum(radius, disc_radius), angle)
    full_um = gcipl_thickness_um(anatomy, temporal_mm, superior_mm) + INL_UM + OPL_UM + ONL_UM + IS_OS_UM
    height = rim_um + full_um * (RIM_GLIA + (1.0 - RIM_GLIA) * outside)

    cup = interpolate_profile(anatomy.cup_disc_ratio, angle)
    hollow = smoothstep((cup + CUP_WALL - rho) / (2.0 * CUP_WALL)) * np.minimum(1.0, cup / 0.2)
    ilm = rpe - height * (1.0 - hollow) + anatomy.cup_depth_um * hollow

    lamina = np.maximum(rpe + LAMINA_BELOW_RPE_UM, ilm + LAMINA_BELOW_CUP_UM)
    choroid = (rpe + RPE_UM) * (1.0 - canal) + lamina * canal
    outer = choroid + CHOROID_UM
    top = [
        ilm,
        rpe - gcipl - inl - opl - onl - is_os,
        rpe - inl - opl - onl - is_os,
        rpe - opl - onl - is_os,
        rpe - onl - is_os,
        rpe - is_os,
        rpe,
        choroid,
        outer,
        outer + OUTER_CHOROID_UM,
        outer + OUTER_CHOROID_UM + SCLERA_UM,
    ]
    return Surfaces(np.maximum.accumulate(np.stack(top), axis=0), inside_disc, canal)
