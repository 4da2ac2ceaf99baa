"""Renders a disc-centred OCT volume from an eye's anatomy.

A volume is (B-scan, depth, A-scan) uint8 in right-eye orientation: B-scan 0 superior, depth 0 vitreous, A-scan 0
temporal. The mean grey of each layer is that of real Cirrus disc cubes; intensity is integrated over the depth of
a voxel before log compression, so a layer thinner than a voxel still changes its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bundle.data.phantom.anatomy import OctAnatomy, OctGeometry
from bundle.data.phantom.speckle import GREY_PER_LOG_INTENSITY, log_speckle
from bundle.data.phantom.surfaces import Surfaces, layer_surfaces
from bundle.data.phantom.vessels import rasterise

# Mean grey (0-255, log scale) of each layer in real Cirrus disc B-scans (OCTseg-Zeiss), top to bottom.
# Choroid and sclera, and the tissue and lamina inside the disc, are read off the same pictures by eye.
GREY_OUTSIDE = {
    "vitreous": 30.0,
    "rnfl": 101.0,
    "gcipl": 84.0,
    "inl": 65.0,
    "opl": 70.0,
    "onl": 49.0,
    "is_os": 69.0,
    "rpe": 112.0,
    "choroid": 74.0,
    "outer_choroid": 62.0,
    "sclera": 46.0,
    "deep": 33.0,
}
GREY_DISC = {
    "vitreous": 30.0,
    "rnfl": 96.0,
    "gcipl": 84.0,
    "inl": 80.0,
    "opl": 80.0,
    "onl": 80.0,
    "is_os": 80.0,
    "rpe": 78.0,
    "choroid": 82.0,
    "outer_choroid": 70.0,
    "sclera": 50.0,
    "deep": 34.0,
}
VESSEL_SHADOW = 0.12  # share of light left below a large vessel
SIGNAL_DB_PER_STEP = 1.6  # tissue signal lost per step of signal strength below 10, assumed
LOG_PER_DB = np.log(10.0) / 10.0


@dataclass(frozen=True)
class Frame:
    """Where each A-scan lies: temporal and superior coordinate in mm and depth offset in um, each (B, A)."""

    temporal_mm: np.ndarray
    superior_mm: np.ndarray
    offset_um: np.ndarray


def scan_frame(anatomy: OctAnatomy, geometry: OctGeometry, rng: np.random.Generator) -> Frame:
    """Positions of the A-scans of a moving eye: sideways jumps between B-scans and axial jitter."""
    n_b, _, n_a = geometry.shape
    step_b, _, step_a = geometry.spacing_mm
    superior = geometry.extent_mm[0] / 2 - (np.arange(n_b) + 0.5) * step_b
    temporal = geometry.extent_mm[2] / 2 - (np.arange(n_a) + 0.5) * step_a
    shift = np.zeros(n_b)
    for jump in anatomy.saccade_mm:
        shift[rng.integers(1, n_b) :] += jump
    jitter = rng.normal(0.0, anatomy.axial_jitter_um, n_b)
    return Frame(
        temporal_mm=temporal[None, :] + shift[:, None],
        superior_mm=np.repeat(superior[:, None], n_a, axis=1),
        offset_um=np.repeat(jitter[:, None], n_a, axis=1),
    )


def render_oct(anatomy: OctAnatomy, geometry: OctGeometry, rng: np.random.Generator) -> np.ndarray:
    """Render one volume.

    Mean intensity of a voxel = (1 / dz) * integral over its depth of the layers' reflectivity, attenuated below
    vessels and by the signal strength, plus a noise floor; grey = log of it, plus log speckle.

    Args:
        anatomy: the eye (right-eye orientation).
        geometry: the grid.
        rng: draws motion and speckle only; the anatomy is taken as it is.

    Returns:
        `geometry.shape` uint8 volume, right-eye orientation; see `mirror_left` for a left eye as acquired.
    """
    frame = scan_frame(anatomy, geometry, rng)
    surfaces = layer_surfaces(anatomy, frame.temporal_mm, frame.superior_mm, frame.offset_um)
    intensity = integrate_layers(surfaces, geometry)
    cast_shadows(intensity, anatomy, frame, surfaces, geometry)
    noise = np.float32(np.exp(GREY_OUTSIDE["vitreous"] / GREY_PER_LOG_INTENSITY))
    gain = np.float32(np.exp(-(10.0 - anatomy.signal_strength) * SIGNAL_DB_PER_STEP * LOG_PER_DB))
    grey = np.log(np.maximum(intensity - noise, 0.0) * gain + noise)
    grey += log_speckle(geometry.shape, geometry.spacing_mm[1], rng)
    return np.clip(np.rint(grey * GREY_PER_LOG_INTENSITY), 0, 255).astype(np.uint8)


def integrate_layers(surfaces: Surfaces, geometry: OctGeometry) -> np.ndarray:
    """Mean reflectivity of every voxel, exactly integrated over its depth: (B, D, A) float32.

    The reflectivity down an A-scan is a staircase with steps dR_k at depths z_k, so its integral from the top is
    R_0 z + sum_k dR_k max(z - z_k, 0); a voxel's mean is the difference at its two edges over its depth.
    """
    n_b, n_d, n_a = geometry.shape
    edges_um = np.arange(n_d + 1, dtype=np.float32) * np.float32(geometry.spacing_mm[1] * 1000.0)
    outside = np.exp(np.array(list(GREY_OUTSIDE.values())) / GREY_PER_LOG_INTENSITY)
    disc = np.exp(np.array(list(GREY_DISC.values())) / GREY_PER_LOG_INTENSITY)
    deep = list(GREY_OUTSIDE).index("choroid")
    inside = np.stack([surfaces.inside_disc if k < deep else surfaces.canal for k in range(len(GREY_OUTSIDE))])
    level = (outside[:, None, None] * (1.0 - inside) + disc[:, None, None] * inside).astype(np.float32)
    total = np.repeat((edges_um[:, None] * np.ones(n_a, np.float32))[None], n_b, axis=0) * level[0][:, None, :]
    for k, depth_um in enumerate(surfaces.depth_um.astype(np.float32)):
        below = np.maximum(edges_um[None, :, None] - depth_um[:, None, :], np.float32(0.0))
        below *= (level[k + 1] - level[k])[:, None, :]
        total += below
    return np.asarray(np.diff(total, axis=1) / edges_um[1])


def cast_shadows(
    intensity: np.ndarray, anatomy: OctAnatomy, frame: Frame, surfaces: Surfaces, geometry: OctGeometry
) -> None:
    """Darken, in place, what lies below the vessels; they run at the bottom of the nerve fibre layer."""
    if anatomy.vessels.width_mm.size == 0:
        return
    cover = rasterise(
        anatomy.vessels.points_mm, anatomy.vessels.width_mm, frame.superior_mm[:, 0], frame.temporal_mm[0]
    )
    vessel_um = surfaces.depth_um[1] - 30.0
    centres_um = (np.arange(geometry.shape[1], dtype=np.float32) + 0.5) * np.float32(geometry.spacing_mm[1] * 1000.0)
    soft = np.float32(max(30.0, geometry.spacing_mm[1] * 1000.0))
    under = np.clip((centres_um[None, :, None] - vessel_um[:, None, :].astype(np.float32)) / soft, 0.0, 1.0)
    intensity *= 1.0 - np.float32(1.0 - VESSEL_SHADOW) * cover[:, None, :] * under


def mirror_left(voxels: np.ndarray, eye: str) -> np.ndarray:
    """The volume as a device would store it: a left eye ("OS") is mirrored along the A-scan axis."""
    return np.ascontiguousarray(voxels[:, :, ::-1]) if eye == "OS" else voxels
