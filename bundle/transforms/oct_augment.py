"""How the scan looks: contrast, lost signal and lost B-scans (speckle: `oct_speckle`).

All of these work on standardised volumes (mean 0, SD 1, see `StandardizeOctIntensityd`) of an 8-bit OCT export,
which shows the logarithm of the reflected intensity: a factor on the intensity is a summand here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from bundle.errors import InputError
from bundle.transforms.base import RandPresentKeysd, Range, as_range


class RandOctContrastd(RandPresentKeysd):
    """Another scanner's display curve and another day's signal: x' = g x + o + r (d - 1/2).

    d runs from 0 at the vitreous end to 1 at the choroid end, so r is the roll-off of sensitivity with depth.

    Args:
        keys: standardised float32 (1, B-scan, depth, A-scan) volumes.
        prob: probability of a change.
        gain: range of g; one number r means 1 - r to 1 + r.
        offset: range of o, in SD of the volume.
        roll_off: range of r, change from top to bottom in SD of the volume.
        allow_missing_keys: True skips an eye without a volume.

    Example: `RandOctContrastd(keys="image", prob=0.5, gain=0.2)`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        prob: float = 0.5,
        gain: Range = 0.2,
        offset: Range = 0.2,
        roll_off: Range = 0.3,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.gain = as_range(gain, "RandOctContrastd: gain", around=1.0)
        self.offset = as_range(offset, "RandOctContrastd: offset")
        self.roll_off = as_range(roll_off, "RandOctContrastd: roll_off")

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        gain, offset, roll_off = self.uniform(self.gain), self.uniform(self.offset), self.uniform(self.roll_off)
        depth = torch.linspace(-0.5, 0.5, x.shape[2])[:, None]
        return torch.add(offset + roll_off * depth, x, alpha=gain)


class RandSignalDropd(RandPresentKeysd):
    """Shadows of vessels, floaters and lens opacities: whole A-scans attenuated around a few places.

    x' = max(x - sum_k t_k exp(-(|p - c_k| / w_k)^2 / 2), min(x)), p the en-face position: the signal is lost at every
    depth under the shadow, and never falls below the noise floor of the volume.

    Args:
        keys: standardised float32 (1, B-scan, depth, A-scan) volumes.
        prob: probability of a change.
        count: most shadows at a time; from 1 to `count` are drawn. 0: no change.
        attenuation: range of t_k in SD of the volume; one number r means 0 to r.
        width: range of w_k as a share of the field of view; one number r means 0 to r.
        allow_missing_keys: True skips an eye without a volume.

    Example: `RandSignalDropd(keys="image", prob=0.3, count=3)`
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        prob: float = 0.3,
        count: int = 3,
        attenuation: Range = (0.3, 1.5),
        width: Range = (0.02, 0.12),
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        if count < 0:
            raise InputError(f"RandSignalDropd: count: found {count}, expected a number of shadows >= 0")
        self.count = count
        self.attenuation = tuple(max(v, 0.0) for v in as_range(attenuation, "RandSignalDropd: attenuation"))
        self.width = tuple(max(v, 1e-3) for v in as_range(width, "RandSignalDropd: width"))

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        if self.count == 0:
            return x
        n = int(self.R.randint(1, self.count + 1))
        centre_b, centre_a = self.R.uniform(size=(2, n, 1))
        width = self.R.uniform(*self.width, size=(n, 1))
        depth = self.R.uniform(*self.attenuation, size=(n, 1))
        along_b = np.exp(-0.5 * (((np.arange(x.shape[1]) + 0.5) / x.shape[1] - centre_b) / width) ** 2)
        along_a = np.exp(-0.5 * (((np.arange(x.shape[3]) + 0.5) / x.shape[3] - centre_a) / width) ** 2)
        shadow = torch.from_numpy(np.einsum("kb,ka->ba", depth * along_b, along_a).astype(np.float32))
        return torch.maximum(x - shadow[:, None, :], x.amin())


class RandBScanDropoutd(RandPresentKeysd):
    """Blinks and eye movements: a few whole B-scans replaced by the mean of the volume.

    Args:
        keys: float32 (1, B-scan, depth, A-scan) volumes.
        prob: probability of a change.
        count: most B-scans lost at a time; from 1 to `count` are drawn, each B-scan equally likely. 0: no change.
        allow_missing_keys: True skips an eye without a volume.

    Example: `RandBScanDropoutd(keys="image", prob=0.3, count=2)`
    """

    def __init__(
        self, keys: str | Sequence[str], prob: float = 0.3, count: int = 2, allow_missing_keys: bool = True
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        if count < 0:
            raise InputError(f"RandBScanDropoutd: count: found {count}, expected a number of B-scans >= 0")
        self.count = count

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        most = min(self.count, x.shape[1])
        if most == 0:
            return x
        lost = self.R.permutation(x.shape[1])[: int(self.R.randint(1, most + 1))]
        # numpy sums in one order whatever the number of threads, so a worker gets the same mean as the main process.
        mean = float(x.numpy().mean())
        return x.index_fill(1, torch.from_numpy(lost), mean)
