"""Contrastive regulariser for regression (ConR)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bundle.losses.arguments import check_number
from bundle.losses.label_values import label_values
from bundle.losses.sample_weight import SampleWeight
from bundle.losses.similarity import cosine_similarity_matrix

NOTHING = float("-inf")


class ContrastiveRegularizerLoss(nn.Module):
    """Pushes apart the features of eyes that the network confuses: MD far apart, predictions close.

        P_i = {k != i : |y_i - y_k| <= window}
        N_i = {k : |y_i - y_k| > window and |p_i - p_k| <= window}
        L_i = - mean_{k in P_i} log( e^{s_ik} / ( sum_{P_i} e^{s_ij} + eta_i sum_{N_i} e^{push |y_i - y_j|} e^{s_ij} ) )
        C   = (1/n) sum_i L_i,   s_ik = cos(z_i, z_k) / temperature

    Only anchors with both a positive and a negative contribute (Keramati, Meng and Evans, ICLR 2024). Two faults of the
    authors' code are not repeated: entries outside of P_i and N_i added e^0 each to the denominator, and an anchor
    without a positive gave NaN. Predictions p select pairs; no gradient reaches them.

    Args:
        temperature: t > 0.
        window_db: half width of "the same MD", dB, > 0.
        push: growth of the repulsion with the label distance, per dB, >= 0.
        weight: eta of an anchor as a function of its MD, such as `RarityWeight`; 1 when None.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(
        self,
        temperature: float = 0.2,
        window_db: float = 1.0,
        push: float = 0.03,
        weight: SampleWeight | None = None,
    ) -> None:
        super().__init__()
        self.temperature = check_number("temperature", temperature, 0, low_open=True, high_open=True)
        self.window_db = check_number("window_db", window_db, 0, low_open=True, high_open=True)
        self.push = check_number("push", push, 0, high_open=True)
        self.weight = weight

    def forward(self, z: Tensor, md_db: Tensor, pred_db: Tensor) -> Tensor:
        """C >= 0, a scalar; 0 with a zero gradient where no anchor contributes.

        Args:
            z: (N, dim) features of one modality, rows of missing images left out; normalised inside.
            md_db, pred_db: (N,) labels and predictions of the same eyes, dB.

        Raises:
            ValueError: the shapes disagree.
        """
        if z.ndim != 2 or md_db.shape != z.shape[:1] or pred_db.shape != md_db.shape:
            raise ValueError(
                f"z, md_db and pred_db: found {tuple(z.shape)}, {tuple(md_db.shape)} and {tuple(pred_db.shape)}, "
                "expected (N, dim), (N,) and (N,)"
            )
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        with torch.no_grad():
            distance_db = pairwise_distance(label_values(md_db))
            near = distance_db <= self.window_db
            positive = near.logical_and(torch.logical_not(torch.eye(len(z), dtype=torch.bool, device=z.device)))
            confused = pairwise_distance(pred_db.detach()) <= self.window_db
            negative = torch.logical_not(near).logical_and(confused)
            rows = positive.any(1).logical_and(negative.any(1)).nonzero().squeeze(1)
            eta = torch.ones_like(md_db) if self.weight is None else self.weight(md_db)
            log_push = eta.log().unsqueeze(1) + self.push * distance_db
        if len(rows) == 0:
            return (z * 0).sum()
        with torch.autocast(z.device.type, enabled=False):
            logits = cosine_similarity_matrix(z[rows], z) / self.temperature
            pulled = logits.masked_fill(torch.logical_not(positive[rows]), NOTHING)
            pushed = (logits + log_push[rows].to(logits.dtype)).masked_fill(torch.logical_not(negative[rows]), NOTHING)
            log_denominator = torch.logsumexp(torch.cat([pulled, pushed], dim=1), dim=1)
            share = positive[rows].to(logits.dtype)
            mean_logit = (logits * share).sum(1) / share.sum(1)
            return (log_denominator - mean_logit).sum() / len(z)


def pairwise_distance(values: Tensor) -> Tensor:
    """|a_i - a_j| of (N,) values: (N, N)."""
    return (values.unsqueeze(1) - values).abs()
