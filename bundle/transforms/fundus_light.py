"""A photograph evenly lit, and the blur that tells light from detail."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch

from bundle.errors import InputError
from bundle.transforms.base import PresentKeysd


def blur_matrix(n: int, sigma_px: float) -> torch.Tensor:
    """Gaussian of `sigma_px` pixels, cut at 3 sigma, weights of sum 1, border repeated, as a map (n, n) of one axis."""
    radius = max(1, math.ceil(3 * sigma_px))
    taps = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (taps / sigma_px) ** 2)
    source = (torch.arange(n)[:, None] + taps).clamp_(0, n - 1)
    return torch.zeros(n, n).scatter_add_(1, source, (kernel / kernel.sum()).expand(n, -1))


def gaussian_blur(x: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Blur (C, H, W) along both axes, see `blur_matrix`; at 64 x 64 pixels a matrix is faster than a convolution."""
    if sigma_px <= 0:
        return x
    return blur_matrix(x.shape[1], sigma_px) @ x @ blur_matrix(x.shape[2], sigma_px).T


class CorrectIlluminationd(PresentKeysd):
    """Even out the light across a photograph: divide by its large-scale brightness, channel by channel.

    x' = clip(x (m / b)^strength, 0, 1) inside the aperture, b = G_sigma * x / G_sigma * inside (a blur that does not
    look beyond the aperture), m = the mean of b inside. Each channel keeps its mean, so a cast common to the
    photograph stays. Outside the aperture (all channels below `dark`) pixels stay as they are.

    The trade-off: pallor of the disc is a large-scale brightness too. A `sigma` well above the disc's radius keeps
    most of it, and `strength` says how much of the unevenness to take out: 0 nothing, 1 all of it.

    Args:
        keys: float32 (3, H, W), 0 to 1.
        strength: 0 to 1.
        sigma: SD of the blur as a share of the photograph's width.
        dark: brightest channel of a pixel outside the aperture.
        allow_missing_keys: True skips an eye without a photograph.

    Raises:
        InputError: an argument out of range.

    Example: `CorrectIlluminationd(keys="fundus", strength=0.5)({"fundus": torch.rand(3, 64, 64)})`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        strength: float = 0.7,
        sigma: float = 0.3,
        dark: float = 0.03,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if not 0 <= strength <= 1 or sigma <= 0:
            raise InputError(
                f"CorrectIlluminationd: found strength {strength}, sigma {sigma}; expected 0 to 1 and above 0"
            )
        self.strength, self.sigma, self.dark = strength, sigma, dark

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        if self.strength > 0:
            for key in self.present(data):
                result[key] = self._evened(data[key])
        return result

    def _evened(self, x: torch.Tensor) -> torch.Tensor:
        inside = (x.amax(0, keepdim=True) >= self.dark).to(x.dtype)
        sigma_px = self.sigma * x.shape[2]
        weight = gaussian_blur(inside, sigma_px).clamp_min(1e-6)
        light = (gaussian_blur(x * inside, sigma_px) / weight).clamp_min(1e-3)
        mean_light = (light * inside).sum((1, 2), keepdim=True) / inside.sum().clamp_min(1.0)
        evened = (x * (mean_light / light) ** self.strength).clamp(0, 1)
        return torch.where(inside.bool(), evened, x)
