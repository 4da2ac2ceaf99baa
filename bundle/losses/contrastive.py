"""Adaptive-margin soft contrast (AMSC)."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from bundle.losses.arguments import check_choice, check_number
from bundle.losses.denominator import log_denominator_all, log_denominator_rank
from bundle.losses.density import LabelDensity
from bundle.losses.keys import columns_without_self, contrast_keys
from bundle.losses.similarity import cosine_similarity_matrix, negative_distance_matrix

MD_RANGE_DB = 33.0
SIMILARITIES = {"cosine": cosine_similarity_matrix, "l2": negative_distance_matrix}
DENOMINATORS = {"all": log_denominator_all, "rank": log_denominator_rank}


class AdaptiveMarginContrastiveLoss(nn.Module):
    """Pulls features of eyes with close MD together; the margin grows with label distance and label rarity.

    Anchors i are the rows of the batch; keys j, k are the batch and, where given, the queue, without the anchor.

        D_ij = (1 - cdf_share) |y_i - y_j| / 33 dB + cdf_share |F(y_i) - F(y_j)|
        m_ij = min( margin_cap, margin D_ij^margin_power sqrt(r_i r_j) )
        W_ij = exp( -|y_i - y_j| / bandwidth_db )                       targets "soft"
        W_ij = 1[ |y_i - y_j| <= hard_window_db ], then m_ij = 0         targets "hard"
        a_ij = ( s(z_i, z_j) + m_ij ) / temperature
        L_i  = - sum_j W_ij / (sum_k W_ik) [ a_ij - log sum_{k in S_ij} exp a_ik ]
        C    = sum_i w_i L_i / sum_i w_i,   w_i = r_i^anchor_power, 0 for an anchor without a positive

    Density, rarity r and distribution function F are those of `LabelDensity`. See docs/method.md for the limiting
    cases (SupCon, AdaCon, Rank-N-Contrast). The result is at least float32, whatever the features' dtype.

    Args:
        temperature: tau > 0.
        bandwidth_db: h > 0 of the soft targets, dB; infinity gives every key the same target.
        margin: m0 >= 0; 0 turns the margin off.
        margin_power: a > 0.
        margin_cap: m_cap >= 0.
        rarity_power: kappa >= 0 of the rarity r; 0 ignores the label density.
        anchor_power: eta >= 0, weight of rare anchors.
        cdf_share: xi in [0, 1], part of the distance measured in ranks of the training labels instead of dB.
        targets: "soft" or "hard".
        hard_window_db: delta >= 0, half width of the hard positives, dB.
        denominator: "all" (S_ij: every key) or "rank" (S_ij: keys at least as far from the anchor as j).
        similarity: "cosine" (features normalised inside) or "l2" (minus the distance of the features as they are).
        density: a `LabelDensity` to share with other parts; its own, bandwidth 1 dB, when None.

    Raises:
        InputError: an argument is outside its range; the message names it.
    """

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        bandwidth_db: float = 2.0,
        margin: float = 0.3,
        margin_power: float = 1.0,
        margin_cap: float = 2.0,
        rarity_power: float = 0.25,
        anchor_power: float = 0.0,
        cdf_share: float = 0.0,
        targets: str = "soft",
        hard_window_db: float = 1.0,
        denominator: str = "all",
        similarity: str = "cosine",
        density: LabelDensity | None = None,
    ) -> None:
        super().__init__()
        self.temperature = check_number("temperature", temperature, 0, low_open=True, high_open=True)
        self.bandwidth_db = check_number("bandwidth_db", bandwidth_db, 0, low_open=True)
        self.margin = check_number("margin", margin, 0, high_open=True)
        self.margin_power = check_number("margin_power", margin_power, 0, low_open=True, high_open=True)
        self.margin_cap = check_number("margin_cap", margin_cap, 0, high_open=True)
        self.rarity_power = check_number("rarity_power", rarity_power, 0, high_open=True)
        self.anchor_power = check_number("anchor_power", anchor_power, 0, high_open=True)
        self.cdf_share = check_number("cdf_share", cdf_share, 0, 1)
        self.hard_window_db = check_number("hard_window_db", hard_window_db, 0)
        self.targets = check_choice("targets", targets, ("soft", "hard"))
        self.similarity = SIMILARITIES[check_choice("similarity", similarity, tuple(SIMILARITIES))]
        self.log_denominator = DENOMINATORS[check_choice("denominator", denominator, tuple(DENOMINATORS))]
        self.density = LabelDensity() if density is None else density

    def fit(self, md_db_train: ArrayLike | Tensor) -> AdaptiveMarginContrastiveLoss:
        """Store density, rarity scale and distribution function of the training labels, dB. Returns self."""
        self.density.fit(md_db_train)
        return self

    def forward(
        self, z: Tensor, md_db: Tensor, z_queue: Tensor | None = None, md_queue_db: Tensor | None = None
    ) -> Tensor:
        """C >= 0, a scalar: every pair is in its own denominator.

        Args:
            z: (N, dim) features of one modality, rows of missing images left out.
            md_db: (N,) their labels, dB.
            z_queue, md_queue_db: (Q, dim) and (Q,), further keys; no gradient reaches them if they are detached.

        Returns:
            Scalar tensor. 0 with a zero gradient where no anchor has a positive (N = 0, N = 1 without a queue, ...).

        Raises:
            ValueError: shapes disagree, or a feature or label is not finite.
            RuntimeError: `fit` was not called and the rarity or the ranks are needed.
        """
        keys, md_keys_db = contrast_keys(z, md_db, z_queue, md_queue_db)
        n, k = z.shape[0], keys.shape[0]
        if n == 0 or k < 2:
            return (_at_least_float32(z) * 0).sum()
        others = columns_without_self(n, k, z.device)
        with torch.no_grad():
            distance_db = (md_keys_db[:n].unsqueeze(1) - md_keys_db).abs().gather(1, others)
            targets, has_positive = self._targets(distance_db)
            rarity = self.density.rarity(md_keys_db, self.rarity_power if self._needs_rarity else 0.0)
            margins = self._margins(distance_db, md_keys_db, rarity, others)
            weights = rarity[:n] ** self.anchor_power * has_positive
        # Half precision has too few digits for a softmax at temperature 0.1.
        with torch.autocast(z.device.type, enabled=False):
            s = self.similarity(_at_least_float32(z), _at_least_float32(keys)).gather(1, others)
            logits = (s + margins.to(s.dtype)) / self.temperature
            log_p = logits - self.log_denominator(logits, distance_db)
            losses = -(targets.to(s.dtype) * log_p).sum(1)
            share = weights / torch.where(has_positive.any(), weights.sum(), 1.0)
            return (share.to(s.dtype) * losses).sum()

    @property
    def _needs_rarity(self) -> bool:
        return self.margin > 0 or self.anchor_power > 0

    def _targets(self, distance_db: Tensor) -> tuple[Tensor, Tensor]:
        """W_ij / sum_k W_ik, zero in a row without a positive, and which rows have one."""
        if self.targets == "soft":
            # As a softmax, so that a key far beyond the bandwidth does not underflow to "no positive".
            return torch.softmax(-distance_db / self.bandwidth_db, dim=1), distance_db.new_ones(len(distance_db)).bool()
        positives = (distance_db <= self.hard_window_db).to(distance_db)
        counts = positives.sum(1, keepdim=True)
        return positives / counts.clamp_min(1), counts.squeeze(1) > 0

    def _margins(self, distance_db: Tensor, md_keys_db: Tensor, rarity: Tensor, others: Tensor) -> Tensor:
        n = len(distance_db)
        if self.margin == 0:
            return torch.zeros_like(distance_db)
        distance = (1 - self.cdf_share) * distance_db / MD_RANGE_DB
        if self.cdf_share > 0:
            cdf = self.density.cdf(md_keys_db)
            distance = distance + self.cdf_share * (cdf[:n].unsqueeze(1) - cdf).abs().gather(1, others)
        scale = (rarity[:n].unsqueeze(1) * rarity).sqrt().gather(1, others)
        margins = (self.margin * distance**self.margin_power * scale).clamp_max(self.margin_cap)
        if self.targets == "hard":
            margins = margins.masked_fill(distance_db <= self.hard_window_db, 0.0)
        return margins


def _at_least_float32(z: Tensor) -> Tensor:
    return z.to(torch.promote_types(z.dtype, torch.float32))
