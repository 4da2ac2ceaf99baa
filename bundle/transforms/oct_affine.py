"""Where the scan lies: small changes of place and posture that a second scan of the same eye could show."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import grid_sample

from bundle.errors import InputError
from bundle.transforms.base import RandPresentKeysd, Range, as_range


def cell_centres_mm(n: int, extent_mm: float) -> torch.Tensor:
    """Centres of `n` cells that share `extent_mm`, measured from the middle: (n,) float32, mm."""
    return ((torch.arange(n, dtype=torch.float32) + 0.5) / n - 0.5) * extent_mm


def sample_en_face(
    x: torch.Tensor, rotation_deg: float, scale: float, shift_mm: Sequence[float], extent_mm: Sequence[float]
) -> torch.Tensor:
    """Turn, scale and shift (1, B, D, A) in the en-face plane (B-scan, A-scan); bilinear, the border repeated.

    The anatomy at p goes to scale * R p + shift: the output at q is read at R^T (q - shift) / scale, all in mm from
    the centre. A positive turn is counter-clockwise with superior up and temporal at the left. `shift_mm` and
    `extent_mm` are (B-scan, A-scan).
    """
    n_bscans, n_ascans = x.shape[1], x.shape[3]
    b_mm = cell_centres_mm(n_bscans, extent_mm[0])[:, None] - shift_mm[0]
    a_mm = cell_centres_mm(n_ascans, extent_mm[1])[None, :] - shift_mm[1]
    cos, sin = math.cos(math.radians(rotation_deg)) / scale, math.sin(math.radians(rotation_deg)) / scale
    grid = torch.empty(1, n_bscans, n_ascans, 2)
    grid[0, ..., 0] = (cos * a_mm - sin * b_mm) * (2 / extent_mm[1])
    grid[0, ..., 1] = (sin * a_mm + cos * b_mm) * (2 / extent_mm[0])
    # The whole A-scan moves as one, so depth travels as channels: thirty times fewer grid points than in 3-D.
    channels_CBA = x.permute(0, 2, 1, 3).contiguous()
    moved_CBA = grid_sample(channels_CBA, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved_CBA.permute(0, 2, 1, 3).contiguous()


def shift_in_depth(x: torch.Tensor, shift_voxels: torch.Tensor) -> torch.Tensor:
    """Move each A-scan of (1, B, D, A) deeper by its own `shift_voxels` (B, A); linear, the border repeated."""
    n_depths = x.shape[2]
    source = torch.arange(n_depths, dtype=torch.float32)[:, None] - shift_voxels[:, None, :]
    source = source.clamp_(0, n_depths - 1)[None]
    upper = source.to(torch.int64)
    fraction = source - upper
    lower = (upper + 1).clamp_(max=n_depths - 1)
    return torch.lerp(x.gather(2, upper), x.gather(2, lower), fraction)


class RandOctAffined(RandPresentKeysd):
    """Random affine change of an OCT volume within what anatomy and a careful operator allow.

    With (b, d, a) in mm from the centre, the anatomy is turned, scaled and shifted in the en-face plane, and each
    A-scan is moved along itself by d = shift + tan(tilt_b) b + tan(tilt_a) a + motion(b). A tilt is a shear, not a
    rotation: the beam enters obliquely, and A-scans stay parallel to it. Depth is never scaled, because thickness
    is the signal. Each amount is drawn evenly; a number r means -r to r (for `scale`: 1 - r to 1 + r), a pair low to
    high, 0 no change.

    Args:
        keys: float32 (1, B-scan, depth, A-scan) volumes that cover `extent_mm`.
        prob: probability of a change.
        extent_mm: field of view (B-scan, depth, A-scan) in mm, the one of `ResampleToGridd`.
        rotation_deg: turn about the depth axis in degrees (head tilt, cyclotorsion).
        scale: en-face magnification (axial length).
        shift_mm: three ranges for (B-scan, depth, A-scan): decentration, and the height of the retina in the window.
        tilt_deg: two ranges for the slope along (B-scan, A-scan), in degrees.
        motion_mm: an independent depth shift of each B-scan (pulse, breathing), in mm.
        allow_missing_keys: True skips an eye without a volume.

    Raises:
        InputError: a range that is not one.

    Example: `RandOctAffined(keys="image", prob=0.8, rotation_deg=5.0)`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        prob: float = 0.8,
        extent_mm: Sequence[float] = (6.0, 2.0, 6.0),
        rotation_deg: Range = 5.0,
        scale: Range = 0.05,
        shift_mm: Sequence[Range] = (0.3, 0.1, 0.3),
        tilt_deg: Sequence[Range] = (2.0, 2.0),
        motion_mm: Range = 0.01,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        if len(extent_mm) != 3 or len(shift_mm) != 3 or len(tilt_deg) != 2:
            raise InputError(
                f"RandOctAffined: found {len(extent_mm)} extent_mm, {len(shift_mm)} shift_mm, {len(tilt_deg)} "
                "tilt_deg; expected 3 (B-scan, depth, A-scan), 3 and 2 (B-scan, A-scan)"
            )
        self.extent_mm = tuple(float(e) for e in extent_mm)
        self.rotation_deg = as_range(rotation_deg, "RandOctAffined: rotation_deg")
        self.scale = as_range(scale, "RandOctAffined: scale", around=1.0)
        if self.scale[0] <= 0:
            raise InputError(f"RandOctAffined: scale: found {scale}, expected magnifications > 0")
        self.shift_mm = tuple(as_range(r, "RandOctAffined: shift_mm") for r in shift_mm)
        self.tilt_deg = tuple(as_range(r, "RandOctAffined: tilt_deg") for r in tilt_deg)
        self.motion_mm = as_range(motion_mm, "RandOctAffined: motion_mm")

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        rotation_deg, scale = self.uniform(self.rotation_deg), self.uniform(self.scale)
        shift_b, shift_d, shift_a = (self.uniform(r) for r in self.shift_mm)
        tilt_b, tilt_a = (self.uniform(r) for r in self.tilt_deg)
        motion_mm = self.R.uniform(*self.motion_mm, size=x.shape[1]).astype(np.float32)
        extent_b, extent_d, extent_a = self.extent_mm
        # Resampling blurs a little even where nothing moves, so an amount of zero is left out altogether.
        if (rotation_deg, scale, shift_b, shift_a) != (0.0, 1.0, 0.0, 0.0):
            x = sample_en_face(x, rotation_deg, scale, (shift_b, shift_a), (extent_b, extent_a))
        if any((shift_d, tilt_b, tilt_a, motion_mm.any())):
            along_b = math.tan(math.radians(tilt_b)) * cell_centres_mm(x.shape[1], extent_b)
            along_a = math.tan(math.radians(tilt_a)) * cell_centres_mm(x.shape[3], extent_a)
            depth_mm = (along_b + torch.from_numpy(motion_mm) + shift_d)[:, None] + along_a[None, :]
            x = shift_in_depth(x, depth_mm * (x.shape[2] / extent_d))
        return x
