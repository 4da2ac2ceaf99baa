"""The prototype loss of prototypical modal rebalance (PMR), for regression."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.losses.buffers import VariableLengthBuffers
from bundle.losses.label_values import label_values

TINY = 1e-12  # the gradient of a distance of 0 is NaN


class PrototypeLoss(VariableLengthBuffers):
    """Cross-entropy between an eye's similarity to the prototypes and how near its MD is to their bins.

        sim_ik = -||h_i - c_k||_2,   q_ik = exp(-|y_i - y_k| / h) / sum_j exp(-|y_i - y_j| / h)
        L      = mean_i -sum_k q_ik log softmax_k(sim_ik)

    with c_k the prototype of MD bin k and y_k the mean MD of the training eyes in it. The formula of PMR (Fan et al.,
    CVPR 2023), where the bins are classes and q is 1 for the true class. The soft targets keep the order of the bins;
    for h -> 0 they are the nearest bin alone. A bin without a prototype (a row of NaN) takes no part.

    The bins are quantiles of MD, so that each has about as many training eyes; where many labels are equal there are
    fewer bins than asked for.

    Args:
        bins: K, 2 or more.
        bandwidth_db: h, dB.

    Raises:
        InputError: an argument is outside its range.

    Example:
        >>> loss = PrototypeLoss(bins=2).fit([-20.0, -18.0, -2.0, 0.0])
        >>> loss.bin_of(torch.tensor([-30.0, -1.0])), loss.bin_db
        (tensor([0, 1]), tensor([-19.,  -1.]))
    """

    edges_db: Tensor
    bin_db: Tensor

    def __init__(self, bins: int = 8, bandwidth_db: float = 2.0) -> None:
        super().__init__()
        if isinstance(bins, bool) or bins != int(bins) or bins < 2:
            raise InputError(f"bins: found {bins!r}, expected a whole number, 2 or more")
        self.bins = int(bins)
        self.bandwidth_db = check_number("bandwidth_db", bandwidth_db, 0, low_open=True)
        self.register_buffer("edges_db", torch.empty(0))
        self.register_buffer("bin_db", torch.empty(0))

    def fit(self, md_db_train: ArrayLike | Tensor) -> PrototypeLoss:
        """Bins of the training labels, any shape, dB. Returns self.

        Raises:
            InputError: no label, or one that is not finite.
        """
        md_db = label_values(torch.as_tensor(md_db_train)).flatten()
        if md_db.numel() == 0 or not bool(md_db.isfinite().all()):
            raise InputError(f"md_db_train: found {md_db.numel()} labels, expected at least one, all finite")
        shares = torch.arange(1, self.bins, dtype=md_db.dtype) / self.bins
        self.edges_db = torch.quantile(md_db, shares).float().unique()
        # equal labels can leave a bin empty, never the first one: its upper edge is at or above the smallest label
        filled = torch.bincount(self.bin_of(md_db), minlength=len(self.edges_db) + 1)[1:] > 0
        self.edges_db = self.edges_db[filled]
        bin_N = self.bin_of(md_db)
        self.bin_db = torch.stack([md_db[bin_N == k].mean() for k in range(len(self.edges_db) + 1)]).float()
        return self

    def bin_of(self, md_db: Tensor) -> Tensor:
        """Bin of each label, the shape of `md_db`; a label on an edge is in the lower bin."""
        return torch.searchsorted(label_values(self.edges_db), label_values(md_db).contiguous())

    def forward(self, h_BC: Tensor, md_db_B: Tensor, prototypes_KC: Tensor) -> Tensor:
        """L, float32; 0 with a zero gradient without an eye.

        Args:
            h_BC: features of the eyes.
            md_db_B: their MD, dB.
            prototypes_KC: c_k; NaN in the rows of bins that have none.
        """
        known_K = known(prototypes_KC)
        log_p_BK = similarities(h_BC, prototypes_KC).log_softmax(1).masked_fill(torch.logical_not(known_K), 0.0)
        return -(self.targets(md_db_B, known_K) * log_p_BK).sum() / max(len(h_BC), 1)

    def targets(self, md_db_B: Tensor, known_K: Tensor) -> Tensor:
        """q, (B, K), float32; 0 for a bin without a prototype."""
        far_BK = (label_values(md_db_B).unsqueeze(1) - label_values(self.bin_db)).abs() / self.bandwidth_db
        return (-far_BK).masked_fill(torch.logical_not(known_K), -torch.inf).softmax(1).float()

    def true_bin_probability(self, h_BC: Tensor, md_db_B: Tensor, prototypes_KC: Tensor) -> Tensor:
        """softmax(sim) at each eye's own bin, (B,); 0 where that bin has no prototype."""
        p_BK = similarities(h_BC, prototypes_KC).softmax(1)
        return p_BK.gather(1, self.bin_of(md_db_B).unsqueeze(1)).squeeze(1)


def known(prototypes_KC: Tensor) -> Tensor:
    """(K,) bool: bins that have a prototype."""
    return torch.logical_not(prototypes_KC.isnan().any(1))


def similarities(h_BC: Tensor, prototypes_KC: Tensor) -> Tensor:
    """-||h_i - c_k||_2, (B, K), float32; minus infinity for a bin without a prototype."""
    known_K = known(prototypes_KC)
    c_KC = prototypes_KC.masked_fill(torch.logical_not(known_K).unsqueeze(1), 0.0)
    distance_BK = ((h_BC.float().unsqueeze(1) - c_KC).square().sum(2) + TINY).sqrt()
    return (-distance_BK).masked_fill(torch.logical_not(known_K), -torch.inf)
