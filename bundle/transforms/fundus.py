"""The fundus photograph on the network's grid and on one scale."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import interpolate, pad

from bundle.errors import InputError
from bundle.transforms.base import PresentKeysd

# Typical mean and SD of the red, green and blue of an evenly lit photograph, 0 to 1.
FUNDUS_MEAN = (0.50, 0.30, 0.20)
FUNDUS_SD = (0.20, 0.15, 0.12)


def per_channel(values: Sequence[float]) -> torch.Tensor:
    """Three numbers as a float32 tensor (3, 1, 1) that broadcasts over a photograph."""
    if len(values) != 3:
        raise InputError(f"found {len(values)} channel values {list(values)}, expected 3 (red, green, blue)")
    return torch.tensor([float(v) for v in values])[:, None, None]


class ResizeFundusd(PresentKeysd):
    """Cut a square around the centre of a photograph and resize it: a circle stays a circle.

    `item[key]`: float32 (3, H, W) -> float32 (3, size, size). Height and width are scaled by one factor, so the
    disc and its cup keep their shape. Photographs are taken to be centred on the disc. Anti-aliased bilinear.

    Args:
        keys: photographs.
        size: side of the result in pixels.
        fit: "crop" cuts the longer side to the shorter one, which keeps the disc large; "pad" adds black to the
            shorter side, which keeps everything.
        field: side of the square used, as a share of the fitted square, above 0 up to 1; below 1 zooms in on the disc.
        allow_missing_keys: True skips an eye without a photograph.

    Raises:
        InputError: `fit`, `size` or `field` out of range.

    Example: `ResizeFundusd(keys="fundus", size=64)({"fundus": torch.rand(3, 480, 640)})["fundus"].shape[1:]`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        size: int = 64,
        fit: str = "crop",
        field: float = 1.0,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if fit not in ("crop", "pad") or size < 1 or not 0 < field <= 1:
            raise InputError(
                f"ResizeFundusd: found fit {fit!r}, size {size}, field {field}; expected fit 'crop' or 'pad', "
                "size >= 1, field above 0 and up to 1"
            )
        self.size, self.fit, self.field = size, fit, field

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.present(data):
            square = self._square(data[key])
            if square.shape[1] != self.size:
                side = (self.size, self.size)
                square = interpolate(square[None], side, mode="bilinear", align_corners=False, antialias=True)[0]
            result[key] = square
        return result

    def _square(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[1:]
        fitted = min(height, width) if self.fit == "crop" else max(height, width)
        side = max(1, round(self.field * fitted))
        top, left = (side - height) // 2, (side - width) // 2
        # Negative padding cuts, so one call does either.
        return pad(x, (left, side - width - left, top, side - height - top))


class StandardizeFundusd(PresentKeysd):
    """Subtract a fixed mean and divide by a fixed SD, channel by channel: x' = (x - mean) / sd.

    The numbers are the same for every photograph, so the paleness of one disc against another's is kept.

    Args:
        keys: float32 (3, H, W), 0 to 1.
        mean, sd: three numbers (red, green, blue); sd > 0.
        allow_missing_keys: True skips an eye without a photograph.

    Raises:
        InputError: not three numbers, or an SD that is not positive.

    Example: `StandardizeFundusd(keys="fundus")({"fundus": torch.rand(3, 64, 64)})`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        mean: Sequence[float] = FUNDUS_MEAN,
        sd: Sequence[float] = FUNDUS_SD,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.mean, self.sd = per_channel(mean), per_channel(sd)
        if self.sd.min() <= 0:
            raise InputError(f"StandardizeFundusd: sd: found {list(sd)}, expected three numbers > 0")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.present(data):
            result[key] = (data[key] - self.mean) / self.sd
        return result
