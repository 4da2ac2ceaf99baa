"""What the renderers draw: the anatomy of one eye and the grid of one scan. Right-eye orientation throughout."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bundle.data.phantom.angles import N_ANGLES, rnfl_profile_from_quadrants
from bundle.data.phantom.vessels import Vessels, no_vessels
from bundle.errors import InputError

NORMAL_GCIPL_UM = 47.0  # around the disc, within 3 mm: 39-55 um in real Cirrus disc cubes
NORMAL_DISC_AREA_MM2 = 1.98  # +- .38, 1,521 normal eyes
NORMAL_CUP_DISC_RATIO = 0.44  # +- .18, the same eyes
NORMAL_CUP_DEPTH_UM = 150.0  # below the plane of Bruch's membrane opening, order of magnitude


@dataclass(frozen=True, kw_only=True)
class OctGeometry:
    """Grid of an OCT volume: `shape` and `extent_mm` in the order (B-scan, depth, A-scan), disc-centred."""

    shape: tuple[int, int, int] = (16, 48, 32)
    extent_mm: tuple[float, float, float] = (6.0, 2.0, 6.0)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size in mm, extent / size, in the order of `shape`."""
        b, d, a = (extent / size for extent, size in zip(self.extent_mm, self.shape, strict=True))
        return b, d, a


REALISTIC_GEOMETRY = OctGeometry(shape=(64, 256, 128))


@dataclass(frozen=True, kw_only=True)
class OctAnatomy:
    """One eye as the OCT sees it, in right-eye orientation.

    Attributes:
        rnfl_um: (72,) RNFL thickness on the 3.46-mm circle by angle (`angles.ANGLES_DEG`), um.
        cup_disc_ratio: (72,) cup radius over disc radius by angle, 0 (no cup) to about .95.
        gcipl_um: mean thickness of ganglion cell + inner plexiform layer in the (superior, inferior) half, um.
        disc_radius_mm: (horizontal, vertical) radius of Bruch's membrane opening.
        cup_depth_um: depth of the cup's floor below the plane of Bruch's membrane opening.
        signal_strength: 1 (worst) to 10 (best), as a Cirrus prints it; attenuates tissue over the noise floor.
        tilt_um_per_mm: slope of the retina towards (temporal, superior); positive = deeper there.
        curvature_um_per_mm2: how the retina rises towards the edge of the scan.
        depth_mm: depth of the pigment epithelium at the disc's centre below the top of the scan.
        axial_jitter_um: SD of the axial position from B-scan to B-scan (pulse, breathing).
        saccade_mm: sizes of the sideways jumps in the scan; each happens at a random B-scan.
        vessels: vessel tree whose shadows are cast; `vessels.no_vessels()` for none.
    """

    rnfl_um: np.ndarray
    cup_disc_ratio: np.ndarray
    gcipl_um: tuple[float, float] = (NORMAL_GCIPL_UM, NORMAL_GCIPL_UM)
    disc_radius_mm: tuple[float, float] = (0.76, 0.83)
    cup_depth_um: float = NORMAL_CUP_DEPTH_UM
    signal_strength: float = 8.0
    tilt_um_per_mm: tuple[float, float] = (0.0, 0.0)
    curvature_um_per_mm2: float = 12.0
    depth_mm: float = 1.15
    axial_jitter_um: float = 6.0
    saccade_mm: tuple[float, ...] = ()
    vessels: Vessels = field(default_factory=no_vessels)

    def __post_init__(self) -> None:
        for name in ("rnfl_um", "cup_disc_ratio"):
            values = getattr(self, name)
            if np.shape(values) != (N_ANGLES,) or not np.all(np.isfinite(values)) or np.min(values) < 0.0:
                raise InputError(f"OctAnatomy.{name}: expected {N_ANGLES} finite values >= 0, one every 5 degrees")
        if not 1.0 <= self.signal_strength <= 10.0:
            raise InputError(f"OctAnatomy.signal_strength: found {self.signal_strength}, expected 1 to 10")

    @classmethod
    def from_quadrants(
        cls,
        t_um: float,
        s_um: float,
        n_um: float,
        i_um: float,
        *,
        cup_disc_ratio: float = NORMAL_CUP_DISC_RATIO,
        disc_area_mm2: float = NORMAL_DISC_AREA_MM2,
        **other: object,
    ) -> OctAnatomy:
        """Anatomy of an eye of which a device printed four RNFL quadrants (um), a cup-to-disc ratio and a disc area.

        `other` goes to the constructor (`signal_strength`, `gcipl_um`, `vessels`, ...).
        """
        return cls(
            rnfl_um=rnfl_profile_from_quadrants(t_um, s_um, n_um, i_um),
            cup_disc_ratio=np.full(N_ANGLES, float(cup_disc_ratio)),
            disc_radius_mm=disc_radii_mm(disc_area_mm2),
            **other,  # type: ignore[arg-type]
        )


def disc_radii_mm(area_mm2: float, vertical_over_horizontal: float = 1.09) -> tuple[float, float]:
    """(Horizontal, vertical) radius of an ellipse of the given area; normal discs are about 9 % taller than wide."""
    horizontal = float(np.sqrt(area_mm2 / (np.pi * vertical_over_horizontal)))
    return horizontal, horizontal * vertical_over_horizontal
