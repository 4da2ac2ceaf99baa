"""Another camera, another operator: colour, focus and framing of the photograph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import grid_sample

from bundle.errors import InputError
from bundle.transforms.base import RandPresentKeysd, Range, as_range
from bundle.transforms.fundus import FUNDUS_MEAN, FUNDUS_SD, per_channel
from bundle.transforms.fundus_light import gaussian_blur


class RandFundusColord(RandPresentKeysd):
    """Random exposure, white balance, gamma and contrast of a standardised photograph.

    On y = x sd + mean (back to 0 to 1): y' = clip(c (e g_k y^gamma - m_k) + m_k, 0, 1) for channel k, m_k the mean of
    e g_k y^gamma; then standardised again. One number r means 1 - r to 1 + r, a pair low to high, 0 no change.

    Args:
        keys: standardised float32 (3, H, W).
        prob: probability of a change.
        exposure: range of the factor e on all channels.
        balance: range of the factor g_k, drawn for each channel.
        contrast: range of the factor c about the channel's mean.
        gamma: range of the exponent.
        mean, sd: the constants of `StandardizeFundusd`.
        allow_missing_keys: True skips an eye without a photograph.

    Raises:
        InputError: a range that reaches 0 or below.

    Example: `RandFundusColord(keys="fundus", prob=0.8, exposure=0.2)`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        prob: float = 0.8,
        exposure: Range = 0.15,
        balance: Range = 0.05,
        contrast: Range = 0.15,
        gamma: Range = 0.15,
        mean: Sequence[float] = FUNDUS_MEAN,
        sd: Sequence[float] = FUNDUS_SD,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        named = {"exposure": exposure, "balance": balance, "contrast": contrast, "gamma": gamma}
        ranges = {name: as_range(value, f"RandFundusColord: {name}", around=1.0) for name, value in named.items()}
        for name, bounds in ranges.items():
            if bounds[0] <= 0:
                raise InputError(f"RandFundusColord: {name}: found {named[name]}, expected factors > 0")
        self.exposure, self.balance = ranges["exposure"], ranges["balance"]
        self.contrast, self.gamma = ranges["contrast"], ranges["gamma"]
        self.mean, self.sd = per_channel(mean), per_channel(sd)

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        exposure, contrast, gamma = self.uniform(self.exposure), self.uniform(self.contrast), self.uniform(self.gamma)
        gains = exposure * self.R.uniform(*self.balance, size=3)
        if contrast == gamma == 1.0 and (gains == 1.0).all():
            return x
        y = torch.addcmul(self.mean, x, self.sd).clamp_(0, 1)
        y = (y**gamma).mul_(per_channel(gains))
        # numpy sums in one order whatever the number of threads, so a worker gets the same mean as the main process.
        means = torch.from_numpy(y.numpy().mean((1, 2), keepdims=True))
        y = torch.lerp(means, y, contrast).clamp_(0, 1)
        return y.sub_(self.mean).div_(self.sd)


class RandFundusBlurd(RandPresentKeysd):
    """Defocus and cataract: a Gaussian blur of random width.

    Args:
        keys: float32 (3, H, W).
        prob: probability of a change.
        sigma_px: range of the SD in pixels of the network's grid; one number r means 0 to r; 0 no change.
        allow_missing_keys: True skips an eye without a photograph.

    Example: `RandFundusBlurd(keys="fundus", prob=0.3, sigma_px=1.0)`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        prob: float = 0.3,
        sigma_px: Range = (0.3, 1.0),
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        bounds = as_range(sigma_px, "RandFundusBlurd: sigma_px")
        self.sigma_px = (max(bounds[0], 0.0), bounds[1])

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        return gaussian_blur(x, self.uniform(self.sigma_px))


class RandFundusAffined(RandPresentKeysd):
    """Random turn, magnification and framing of a photograph: a similarity, so that a circle stays a circle.

    The point at p goes to scale * R p + shift; bilinear, the border repeated. Drawn evenly; 0 no change.

    Args:
        keys: float32 (3, H, W), square.
        prob: probability of a change.
        rotation_deg: turn in degrees, counter-clockwise, as a number r (-r to r) or a pair.
        scale: magnification; a number r means 1 - r to 1 + r.
        shift: shift along each axis as a share of the side.
        allow_missing_keys: True skips an eye without a photograph.

    Raises:
        InputError: a range that is not one.

    Example: `RandFundusAffined(keys="fundus", prob=0.8, rotation_deg=8.0)`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        prob: float = 0.8,
        rotation_deg: Range = 8.0,
        scale: Range = 0.08,
        shift: Range = 0.05,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.rotation_deg = as_range(rotation_deg, "RandFundusAffined: rotation_deg")
        self.scale = as_range(scale, "RandFundusAffined: scale", around=1.0)
        if self.scale[0] <= 0:
            raise InputError(f"RandFundusAffined: scale: found {scale}, expected magnifications > 0")
        self.shift = as_range(shift, "RandFundusAffined: shift")

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        rotation_deg, scale = self.uniform(self.rotation_deg), self.uniform(self.scale)
        shift_y, shift_x = self.uniform(self.shift), self.uniform(self.shift)
        if (rotation_deg, scale, shift_y, shift_x) == (0.0, 1.0, 0.0, 0.0):
            return x
        cos, sin = math.cos(math.radians(rotation_deg)) / scale, math.sin(math.radians(rotation_deg)) / scale
        height, width = x.shape[1:]
        y = ((np.arange(height) + 0.5) * 2 - height)[:, None] / height - 2 * shift_y
        x_axis = ((np.arange(width) + 0.5) * 2 - width)[None, :] / width - 2 * shift_x
        grid = np.stack((cos * x_axis - sin * y, sin * x_axis + cos * y), axis=-1).astype(np.float32)
        source = torch.from_numpy(grid)[None]
        return grid_sample(x[None], source, mode="bilinear", padding_mode="border", align_corners=False)[0]
