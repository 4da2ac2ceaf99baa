"""Renders a disc-centred colour photograph from an eye's anatomy; right-eye orientation, temporal at the left.

Colours are read off real disc photographs (GRAPE) by eye. What carries information about damage: the cup's outline
and depth of colour, pallor of the rim, and, faintly, the sheen of the nerve fibre layer and its wedge defects.
Everything else (pigment, light, focus, crescent, vessels) is variation that a network must learn to ignore.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bundle.data.phantom.angles import interpolate_profile
from bundle.data.phantom.pixels import blur_matrix, cloud, mix, rgb
from bundle.data.phantom.surfaces import ARCUATE_BEND_RAD_PER_MM, MEASURING_RADIUS_MM, smoothstep
from bundle.data.phantom.vessels import Vessels, no_vessels, rasterise

FIELD_MM = 5.0  # side of the square photograph; a crop of about 17 degrees around the disc
RETINA_RGB = (0.66, 0.31, 0.13)
RIM_RGB = (0.90, 0.50, 0.28)
PALE_RGB = (0.97, 0.84, 0.60)
CUP_RGB = (0.99, 0.88, 0.63)
CRESCENT_RGB = (0.88, 0.72, 0.50)
BLOOD_RGB = (0.50, 0.12, 0.08)
SHEEN_RGB = (0.10, 0.115, 0.08)


@dataclass(frozen=True, kw_only=True)
class FundusAnatomy:
    """One eye as the fundus camera sees it, in right-eye orientation.

    Attributes:
        cup_disc_ratio: (72,) cup radius over disc radius by angle.
        fibre_layer: (72,) brightness of the nerve fibre layer by angle, about 1 in a healthy eye; scales the sheen.
        disc_radius_mm: (horizontal, vertical).
        pallor: 0 = pink rim, 1 = white rim.
        sheen: visibility of the nerve fibre layer, 0 to 1; falls with age and in light fundi.
        crescent: width of the peripapillary atrophy as a share of the disc's radius; 0 = none.
        pigment: -1 (light, tessellated fundus) to 1 (dark).
        cataract_mm: SD of the blur of the optics; veil (0 to 1) is the haze that goes with it.
        exposure: factor on brightness. warmth: shift from blue to red. light: slope of the illumination (x, y).
        decentration_mm: (temporal, superior) position of the photograph's centre relative to the disc.
    """

    cup_disc_ratio: np.ndarray
    fibre_layer: np.ndarray
    disc_radius_mm: tuple[float, float] = (0.76, 0.83)
    pallor: float = 0.0
    sheen: float = 0.5
    crescent: float = 0.0
    pigment: float = 0.0
    cataract_mm: float = 0.02
    veil: float = 0.0
    exposure: float = 1.0
    warmth: float = 0.0
    light: tuple[float, float] = (0.0, 0.0)
    decentration_mm: tuple[float, float] = (0.0, 0.0)
    vessels: Vessels = field(default_factory=no_vessels)


def _retina(
    anatomy: FundusAnatomy, size: int, radius: np.ndarray, angle: np.ndarray, rho: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Background, choroidal pattern, nerve fibre sheen with its defects, and the crescent: (H, W, 3)."""
    base = rgb(RETINA_RGB) * np.exp(np.float32(-0.28 * anatomy.pigment) * np.array([0.7, 1.0, 1.1], np.float32))
    image = np.broadcast_to(base, (size, size, 3)).copy()
    tessellation = 0.05 * (1.0 - 0.6 * anatomy.pigment) * cloud(size, 14, rng) + 0.05 * cloud(size, 5, rng)
    image *= 1.0 + tessellation[..., None] * np.array([0.8, 1.2, 1.2], np.float32)
    bend = np.sin(angle) * (1.0 + np.cos(angle)) / 2.0
    crossing = angle + ARCUATE_BEND_RAD_PER_MM * (radius - MEASURING_RADIUS_MM) * bend
    bundles = 0.9 * interpolate_profile(anatomy.fibre_layer, crossing)
    streaks = 1.0 + 0.35 * np.sin(120.0 * crossing + 3.0 * np.sin(17.0 * crossing))
    fade = np.exp(-((np.maximum(rho - 1.0, 0.0) / 1.3) ** 2))
    image += (anatomy.sheen * bundles * streaks * fade).astype(np.float32)[..., None] * rgb(SHEEN_RGB)
    if anatomy.crescent > 0.0:
        width = anatomy.crescent * (0.15 + 0.85 * np.maximum(np.cos(angle + 0.25), 0.0))
        weight = smoothstep((1.0 + width - rho) / 0.06 + 0.5) * (0.65 + 0.25 * np.tanh(cloud(size, 18, rng)))
        mix(image, rgb(CRESCENT_RGB), np.clip(weight, 0.0, 1.0).astype(np.float32))
    return image


def _disc(image: np.ndarray, anatomy: FundusAnatomy, angle: np.ndarray, rho: np.ndarray) -> None:
    """Rim and cup, drawn over the retina in place."""
    rim = rgb(RIM_RGB) * (1.0 - anatomy.pallor) + rgb(PALE_RGB) * anatomy.pallor
    shade = 1.0 + 0.06 * np.cos(angle)  # the nasal rim is darker and redder
    mix(image, rim * shade[..., None].astype(np.float32), smoothstep((1.0 - rho) / 0.10 + 0.5).astype(np.float32))
    cup = interpolate_profile(anatomy.cup_disc_ratio, angle)
    weight = smoothstep((cup - rho) / 0.24 + 0.5) * np.minimum(1.0, cup / 0.25)
    mix(image, rgb(CUP_RGB), (0.88 * weight).astype(np.float32))
    wall = np.exp(-0.5 * ((rho - cup) / 0.09) ** 2) * (rho < 1.0)
    image *= 1.0 - (0.07 * wall).astype(np.float32)[..., None]


def _blood(image: np.ndarray, anatomy: FundusAnatomy, rows_mm: np.ndarray, columns_mm: np.ndarray) -> None:
    """Veins, then arteries with their bright reflex, in place; the cover is semi-transparent."""
    tree = anatomy.vessels
    for vein in (1.0, 0.0):
        chosen = tree.vein == vein
        cover = rasterise(tree.points_mm[chosen], tree.width_mm[chosen], rows_mm, columns_mm)
        colour = rgb(BLOOD_RGB) * np.float32(0.85 if vein else 1.2)
        mix(image, colour * (0.55 + 0.45 * image / rgb(RETINA_RGB)), np.float32(0.78 if vein else 0.66) * cover)
        if not vein and tree.width_mm.size and columns_mm.size >= 128:
            core = rasterise(tree.points_mm[chosen], 0.3 * tree.width_mm[chosen], rows_mm, columns_mm)
            image *= 1.0 + 0.22 * core[..., None]


def render_fundus(anatomy: FundusAnatomy, size: int, rng: np.random.Generator) -> np.ndarray:
    """Render one photograph.

    Args:
        anatomy: the eye, right-eye orientation.
        size: pixels along each side; the field is `FIELD_MM` whatever the size.
        rng: draws texture and camera noise.

    Returns:
        (size, size, 3) uint8 RGB, row 0 superior, temporal at the left. Flip the columns for a left eye.
    """
    centre = (np.arange(size) + 0.5) * (FIELD_MM / size)
    columns_mm = FIELD_MM / 2.0 - centre + anatomy.decentration_mm[0]
    rows_mm = FIELD_MM / 2.0 - centre + anatomy.decentration_mm[1]
    temporal, superior = np.meshgrid(columns_mm, rows_mm)
    radius, angle = np.hypot(temporal, superior), np.arctan2(superior, temporal)
    horizontal, vertical = anatomy.disc_radius_mm
    rho = np.hypot(temporal / horizontal, superior / vertical)

    image = _retina(anatomy, size, radius, angle, rho, rng)
    _disc(image, anatomy, angle, rho)
    _blood(image, anatomy, rows_mm, columns_mm)
    sigma_px = np.hypot(anatomy.cataract_mm, 0.012) * size / FIELD_MM
    blur = blur_matrix(size, float(sigma_px))
    image = np.stack([blur @ image[..., c] @ blur.T for c in range(3)], axis=-1)
    image += np.float32(anatomy.veil) * (rgb((0.62, 0.47, 0.30)) - image)
    light = anatomy.exposure * (1.0 + anatomy.light[0] * temporal + anatomy.light[1] * superior - 0.022 * radius**2)
    image *= light.astype(np.float32)[..., None] * (1.0 + np.float32(anatomy.warmth) * rgb((0.5, 0.0, -1.0)))
    image += np.float32(0.012) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image * 255.0), 0, 255).astype(np.uint8)
