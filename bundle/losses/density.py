"""How common an MD is among the training eyes."""

from __future__ import annotations

import math

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.losses.buffers import VariableLengthBuffers
from bundle.losses.label_values import label_values

RARITY_LIMIT = 4.0
PAIRS_AT_ONCE = 4_000_000


class LabelDensity(VariableLengthBuffers):
    """Kernel density, distribution function and rarity of MD, all from the training split alone.

        p(y) = (1/N) sum_n Normal(y; y_n, sigma)                          density, 1/dB
        F(y) = (#{y_n < y} + #{y_n = y} / 2) / N                          mid-rank distribution function
        r(y) = clip( p(y)^-power / Z, 1/4, 4 ),  Z = mean_n p(y_n)^-power   rarity

    Z is taken before clipping. It depends on the stored training labels only, so it is part of the state and never
    changes with a batch or a split. Labels are rounded to float32, the arithmetic is float64 (`label_values`). A label
    far outside the training range has rarity 4, not infinity: powers of p are taken as logarithms.

    Every label meets every training label, in chunks of bounded memory: 300 labels against 10,000 take about 20 ms.

    The state holds the sorted training labels; leave it out of a checkpoint that is made public.

    Args:
        bandwidth_db: sigma of the kernel, dB.

    Raises:
        InputError: `bandwidth_db` is not a positive number.

    Example:
        >>> density = LabelDensity(bandwidth_db=1.0).fit([-1.0, -1.0, -1.0, -20.0])
        >>> density.rarity(torch.tensor([-1.0, -20.0]), power=1.0)
        tensor([0.6667, 2.0000])
    """

    md_db_train: Tensor
    log_pdf_train: Tensor

    def __init__(self, bandwidth_db: float = 1.0) -> None:
        super().__init__()
        self.bandwidth_db = check_number("bandwidth_db", bandwidth_db, 0, low_open=True)
        self.register_buffer("md_db_train", torch.empty(0))
        self.register_buffer("log_pdf_train", torch.empty(0))

    @property
    def is_fitted(self) -> bool:
        """Whether training labels are there."""
        return self.md_db_train.numel() > 0

    def fit(self, md_db_train: ArrayLike | Tensor) -> LabelDensity:
        """Store the training labels, any shape, dB. Returns self.

        Raises:
            InputError: no label, or one that is not finite.
        """
        md_db = label_values(torch.as_tensor(md_db_train)).flatten()
        if md_db.numel() == 0 or not bool(md_db.isfinite().all()):
            raise InputError(f"md_db_train: found {md_db.numel()} labels, expected at least one, all finite")
        device = self.md_db_train.device
        self.md_db_train = md_db.sort().values.to(device, torch.float32)
        self.log_pdf_train = self._log_pdf(label_values(self.md_db_train)).float()
        return self

    def pdf(self, md_db: Tensor) -> Tensor:
        """p(y), 1/dB; the shape, dtype and device of `md_db`."""
        return self._log_pdf(label_values(md_db)).exp().to(md_db.dtype)

    def cdf(self, md_db: Tensor) -> Tensor:
        """F(y) in [0, 1]; the shape, dtype and device of `md_db`."""
        train = self._train("cdf", md_db)
        y = label_values(md_db).contiguous()
        below = torch.searchsorted(train, y)
        not_above = torch.searchsorted(train, y, right=True)
        return ((below + not_above).to(y.dtype) / (2 * train.numel())).to(md_db.dtype)

    def rarity(self, md_db: Tensor, power: float) -> Tensor:
        """r(y) in [1/4, 4]; the shape, dtype and device of `md_db`. Power 0 is 1 everywhere, fitted or not.

        Raises:
            InputError: `power` is negative.
            RuntimeError: not fitted, and `power` is not 0.
        """
        if check_number("power", power, 0, high_open=True) == 0:
            return torch.ones_like(md_db)
        log_pdf = self._log_pdf(label_values(md_db))
        log_pdf_train = self.log_pdf_train.to(log_pdf)
        log_z = torch.logsumexp(-power * log_pdf_train, 0) - math.log(log_pdf_train.numel())
        limit = math.log(RARITY_LIMIT)
        return (-power * log_pdf - log_z).clamp(-limit, limit).exp().to(md_db.dtype)

    def _log_pdf(self, y: Tensor) -> Tensor:
        train = self._train("pdf", y)
        log_norm = math.log(train.numel() * self.bandwidth_db * math.sqrt(2 * math.pi))
        chunks = y.flatten().split(max(1, PAIRS_AT_ONCE // train.numel()))
        log_sums = [torch.logsumexp(-0.5 * ((part[:, None] - train) / self.bandwidth_db) ** 2, 1) for part in chunks]
        return torch.cat(log_sums).view(y.shape) - log_norm

    def _train(self, what: str, md_db: Tensor) -> Tensor:
        if not self.is_fitted:
            raise RuntimeError(f"LabelDensity.{what}: no training labels yet, call fit(md_db_train) first")
        return label_values(self.md_db_train.to(md_db.device))
