"""OCT grey values of any scanner on one scale."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from bundle.errors import InputError
from bundle.transforms.base import PresentKeysd, item_name


class StandardizeOctIntensityd(PresentKeysd):
    """Clip the grey values of each volume at two of its percentiles, then bring them to mean 0 and SD 1.

    x' = (c - mean(c)) / SD(c), c = clip(x, P_low(x), P_high(x)). Percentiles and moments follow any change
    a x + b with a > 0, so 8 and 16 bits, gain, offset and signal strength cancel; a few saturated or dead pixels do
    not move the scale. SD is that of the population (divided by n). A scanner's non-linear display curve does not
    cancel: `RandOctContrastd` is there for that.

    Args:
        keys: float32 tensors, one examination each.
        low_percent, high_percent: percentiles to clip at, 0 <= low < high <= 100.
        allow_missing_keys: True skips an eye without a volume.

    Raises:
        InputError: not a finite number somewhere, or a volume without contrast between the two percentiles.

    Example: `StandardizeOctIntensityd(keys="image")({"image": volume})["image"].std()` is 1.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        low_percent: float = 1.0,
        high_percent: float = 99.5,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if not 0 <= low_percent < high_percent <= 100:
            raise InputError(
                f"StandardizeOctIntensityd: found low_percent {low_percent}, high_percent {high_percent}; "
                "expected 0 <= low < high <= 100"
            )
        self.percents = (low_percent, high_percent)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.present(data):
            values = data[key].numpy().astype(np.float64)
            if not np.isfinite(values).all():
                raise InputError(f"{item_name(data)}: key {key!r}: found NaN or infinite voxels, expected finite ones")
            low, high = np.percentile(values, self.percents)
            if high - low <= 1e-6 * max(abs(low), abs(high)):
                raise InputError(
                    f"{item_name(data)}: key {key!r}: found the same value {low:g} from percentile "
                    f"{self.percents[0]:g} to {self.percents[1]:g}, expected contrast; scan again or leave it out"
                )
            clipped = values.clip(low, high)
            standard = (clipped - clipped.mean()) / clipped.std()
            result[key] = torch.from_numpy(standard.astype(np.float32))
        return result
