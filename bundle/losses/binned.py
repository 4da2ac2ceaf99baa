"""Contrast between bins of MD."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from bundle.losses.arguments import check_number
from bundle.losses.contrastive import AdaptiveMarginContrastiveLoss
from bundle.losses.label_values import label_values


class BinnedContrastiveLoss(nn.Module):
    """A contrastive loss that sees every MD as the centre of its bin, (floor(y / width) + 1/2) width.

    Makes a method for classes one for MD. With the adaptive-margin loss at its limits (hard targets, window 0) it is
    supervised contrast on bins (SupCon: margin 0) or AdaCon (margin from ranks: cdf_share 1, rarity_power 0).

    Args:
        loss: the loss of the binned labels, with a density of its own.
        bin_width_db: width > 0; an edge is at 0 dB.

    Raises:
        InputError: `bin_width_db` is not a positive number.
    """

    def __init__(self, loss: AdaptiveMarginContrastiveLoss, bin_width_db: float = 2.0) -> None:
        super().__init__()
        self.loss = loss
        self.bin_width_db = check_number("bin_width_db", bin_width_db, 0, low_open=True, high_open=True)

    def bins(self, md_db: Tensor) -> Tensor:
        """Centres of the labels' bins, dB; the shape of `md_db`."""
        return (torch.floor(label_values(md_db) / self.bin_width_db) + 0.5) * self.bin_width_db

    def fit(self, md_db_train: ArrayLike | Tensor) -> BinnedContrastiveLoss:
        """Fit the inner loss on the bins of the training labels: ranks are then mid-ranks of bins. Returns self."""
        self.loss.fit(self.bins(torch.as_tensor(md_db_train)))
        return self

    def forward(
        self, z: Tensor, md_db: Tensor, z_queue: Tensor | None = None, md_queue_db: Tensor | None = None
    ) -> Tensor:
        """The inner loss of the same features, a scalar. See `AdaptiveMarginContrastiveLoss.forward`."""
        return self.loss(z, self.bins(md_db), z_queue, None if md_queue_db is None else self.bins(md_queue_db))
