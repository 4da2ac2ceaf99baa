"""Weight of an eye in a loss as a function of its MD."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.losses.density import LabelDensity


class SampleWeight(ABC):
    """Maps labels, dB, of any shape to weights of the same shape, dtype and device."""

    @abstractmethod
    def __call__(self, md_db: Tensor) -> Tensor:
        """Weights of `md_db`."""


class UniformWeight(SampleWeight):
    """w = 1 for every eye."""

    def __call__(self, md_db: Tensor) -> Tensor:
        """Ones."""
        return torch.ones_like(md_db)


class RarityWeight(SampleWeight):
    """w = rarity of the label, clip(p^-power / Z, 1/4, 4): power 0.5 is an inverse square-root density weight.

    Args:
        density: fitted before the first call, with the training labels.
        power: kappa >= 0; 0 is `UniformWeight`.

    Raises:
        InputError: `power` is negative or no number.
    """

    def __init__(self, density: LabelDensity, power: float) -> None:
        self.density = density
        self.power = check_number("power", power, 0, high_open=True)

    def __call__(self, md_db: Tensor) -> Tensor:
        """Rarity of `md_db`, in [1/4, 4], mean about 1 over the training split."""
        return self.density.rarity(md_db, self.power)
