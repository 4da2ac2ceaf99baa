"""Angles around the optic disc: Garway-Heath sectors, quadrants and the retinal nerve fibre layer (RNFL) profile.

One convention everywhere: degrees, right eye, 0 = temporal, 90 = superior, 180 = nasal, 270 = inferior.
A profile is a (72,) array of values at the centres of 5-degree bins, `ANGLES_DEG`.
"""

from __future__ import annotations

import numpy as np

from bundle.errors import InputError

N_ANGLES = 72
ANGLES_DEG: np.ndarray = (np.arange(N_ANGLES) + 0.5) * (360.0 / N_ANGLES)

# Sector limits in degrees, counter-clockwise in a right eye (Garway-Heath et al., Ophthalmology 2000).
SECTOR_LIMITS_DEG: dict[str, tuple[float, float]] = {
    "T": (-45.0, 45.0),
    "TS": (45.0, 90.0),
    "NS": (90.0, 135.0),
    "N": (135.0, 225.0),
    "NI": (225.0, 270.0),
    "TI": (270.0, 315.0),
}
SECTORS: tuple[str, ...] = tuple(SECTOR_LIMITS_DEG)

QUADRANT_CENTRES_DEG: dict[str, float] = {"T": 0.0, "S": 90.0, "N": 180.0, "I": 270.0}

# Mean thickness by quadrant of 1,521 normal eyes, um: T 69.9, S 124.7, N 74.3, I 128.8.
NORMAL_QUADRANTS_UM: tuple[float, float, float, float] = (69.9, 124.7, 74.3, 128.8)
# Where the two humps of a normal profile stand, how wide they are (degrees) and how high above the base (relative).
HUMP_CENTRES_DEG: tuple[float, float] = (77.0, 286.0)
HUMP_WIDTH_DEG = 33.0
HUMP_HEIGHT = 1.25
QUADRANT_BLEND_DEG = 25.0


def sector_mask(sector: str) -> np.ndarray:
    """Bins of `ANGLES_DEG` inside one Garway-Heath sector: (72,) bool."""
    low, high = SECTOR_LIMITS_DEG[sector]
    return (ANGLES_DEG - low) % 360.0 < high - low


def quadrant_mask(quadrant: str) -> np.ndarray:
    """Bins of `ANGLES_DEG` inside one 90-degree quadrant "T", "S", "N" or "I": (72,) bool."""
    return np.abs(wrap_deg(ANGLES_DEG - QUADRANT_CENTRES_DEG[quadrant])) < 45.0


def wrap_deg(angle_deg: np.ndarray) -> np.ndarray:
    """The same angles in [-180, 180)."""
    return (angle_deg + 180.0) % 360.0 - 180.0


def interpolate_profile(profile: np.ndarray, angle_rad: np.ndarray) -> np.ndarray:
    """Values of a (72,) profile at any angles in radians, periodic, linear between bin centres."""
    position = np.asarray(angle_rad) * (N_ANGLES / (2.0 * np.pi)) - 0.5
    low = np.floor(position).astype(np.int64)
    fraction = position - low
    return profile[low % N_ANGLES] * (1.0 - fraction) + profile[(low + 1) % N_ANGLES] * fraction


def double_hump() -> np.ndarray:
    """Relative RNFL thickness around a normal disc, mean 1: base plus a superior and an inferior hump: (72,)."""
    humps = sum(np.exp(-0.5 * (wrap_deg(ANGLES_DEG - centre) / HUMP_WIDTH_DEG) ** 2) for centre in HUMP_CENTRES_DEG)
    profile = 1.0 + HUMP_HEIGHT * np.asarray(humps)
    return np.asarray(profile / profile.mean())


def blended_masks(centres_deg: list[float], half_widths_deg: list[float], blend_deg: float) -> np.ndarray:
    """Smooth windows around the disc: 1 inside, cosine edges of `blend_deg`; (n_windows, 72), columns sum to 1."""
    distance = np.stack([np.abs(wrap_deg(ANGLES_DEG - centre)) for centre in centres_deg])
    beyond = (distance - np.asarray(half_widths_deg)[:, None]) / blend_deg
    windows = 0.5 - 0.5 * np.sin(np.pi * np.clip(beyond, -0.5, 0.5))
    return np.asarray(windows / windows.sum(axis=0))


def rnfl_profile_from_quadrants(t_um: float, s_um: float, n_um: float, i_um: float) -> np.ndarray:
    """RNFL thickness by angle whose four quadrant means are the given ones.

    The normal double hump is multiplied by four smooth quadrant windows; their heights solve the 4 x 4 linear
    system "mean over quadrant q = given", so every quadrant's mean is exact.

    Args:
        t_um, s_um, n_um, i_um: mean thickness in um of the temporal, superior, nasal and inferior quadrant,
            as an OCT device prints them; each in (0, 400].

    Returns:
        (72,) float64, um, at `ANGLES_DEG` (right eye: 0 = temporal, 90 = superior). All values are positive.

    Raises:
        InputError: a quadrant is not finite or out of range, or the four differ so much (about 8-fold between
            neighbours) that no positive smooth profile has these means.

    >>> profile = rnfl_profile_from_quadrants(60, 110, 70, 120)
    >>> round(float(profile[quadrant_mask("S")].mean()), 6)
    110.0
    """
    targets = np.array([t_um, s_um, n_um, i_um], dtype=np.float64)
    if not np.all((targets > 0.0) & (targets <= 400.0)):
        raise InputError(f"RNFL quadrants T, S, N, I: found {targets.tolist()} um, expected four numbers in (0, 400]")
    shape = double_hump()
    windows = blended_masks(list(QUADRANT_CENTRES_DEG.values()), [45.0] * 4, QUADRANT_BLEND_DEG) * shape
    means = np.stack([windows[:, quadrant_mask(name)].mean(axis=1) for name in QUADRANT_CENTRES_DEG])
    profile = np.asarray(np.linalg.solve(means, targets) @ windows)
    if profile.min() <= 0.0:
        raise InputError(
            f"RNFL quadrants T, S, N, I: {targets.tolist()} um differ too much between neighbours for a smooth profile"
        )
    return profile
