"""Rank similarity between labels and features (RankSim)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bundle.losses.arguments import check_number
from bundle.losses.keys import contrast_keys
from bundle.losses.similarity import cosine_similarity_matrix


class RankSimilarityLoss(nn.Module):
    """Orders an eye's neighbours in feature space as in MD.

        C = mean_i l_i,   l_i = mean_k ( rk(cos(z_i, z_k))_k - rk(-|y_i - y_k|)_k )^2

    rk divides the ranks of a row, the largest value first, by their number; tied values share their mean rank (Gong,
    Mori and Tung, ICML 2022). Anchors i are the eyes of the batch, keys k the batch and, where given, the queue. Of
    eyes with the same MD only the first counts, as no order of their features would be right.

    Ranks have no gradient; the one of Vlastelica et al. (2020) stands in, of a step of length `interpolation`:

        dl/da = -( rk(a) - rk(a + interpolation * dl/drk) ) / interpolation,   dl/drk_k = 2 (rk(a) - rk(y))_k / K

    It is taken of l_i itself and then multiplied by what the loss is weighted with, so a weight stays a weight. In the
    authors' code the loss weight is inside the step: their weight 100 and lambda 2 are an interpolation of 200 here.

    Args:
        interpolation: lambda > 0; small steps leave most ranks, and so the gradient, as they are.

    Raises:
        InputError: `interpolation` is not a positive number.
    """

    def __init__(self, interpolation: float = 200.0) -> None:
        super().__init__()
        self.interpolation = check_number("interpolation", interpolation, 0, low_open=True, high_open=True)

    def forward(
        self, z: Tensor, md_db: Tensor, z_queue: Tensor | None = None, md_queue_db: Tensor | None = None
    ) -> Tensor:
        """C in [0, 1], a scalar; 0 with a zero gradient with fewer than two different labels.

        Args:
            z: (N, dim) features of one modality, rows of missing images left out; normalised inside.
            md_db: (N,) their labels, dB.
            z_queue, md_queue_db: (Q, dim) and (Q,), further keys.

        Raises:
            ValueError: shapes disagree, or a feature or label is not finite.
        """
        keys, md_keys_db = contrast_keys(z, md_db, z_queue, md_queue_db)
        chosen = first_of_each(md_keys_db)
        anchors = chosen[chosen < len(z)]
        if len(anchors) == 0 or len(chosen) < 2:
            return (z.float() * 0).sum()
        keys, md_keys_db = keys[chosen], md_keys_db[chosen]
        with torch.autocast(z.device.type, enabled=False):
            dtype = torch.promote_types(z.dtype, torch.float32)
            similarity = cosine_similarity_matrix(z[anchors].to(dtype), keys.to(dtype))
            distance_db = (md_keys_db[: len(anchors)].unsqueeze(1) - md_keys_db).abs()
            losses: Tensor = RankError.apply(similarity, relative_ranks(-distance_db), self.interpolation)
            return losses.mean()


class RankError(torch.autograd.Function):
    """Mean squared difference between the ranks of scores (N, K) and given ones (N, K): (N,)."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, target: Tensor, interpolation: float) -> Tensor:
        """l_i; the ranks are kept for the backward pass."""
        ranks = relative_ranks(scores)
        ctx.save_for_backward(scores, ranks, target)
        ctx.interpolation = interpolation
        return (ranks - target.to(ranks.dtype)).square().mean(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """The interpolated gradient of every row times the gradient of its l_i."""
        scores, ranks, target = ctx.saved_tensors
        uphill = 2 * (ranks - target.to(ranks.dtype)) / ranks.shape[1]
        moved = relative_ranks(scores + ctx.interpolation * uphill)
        return -(ranks - moved) / ctx.interpolation * grad.unsqueeze(1), None, None


def relative_ranks(values: Tensor) -> Tensor:
    """Rank of every value in its row divided by the row's length, the largest first: (N, K), mean (K + 1) / (2 K).

    Tied values share the mean of their ranks.
    """
    ordered, values = values.sort(dim=1).values, values.contiguous()
    below = torch.searchsorted(ordered, values)
    not_above = torch.searchsorted(ordered, values, right=True)
    k = values.shape[1]
    return (k - (below + not_above - 1) / 2).to(values.dtype) / k


def first_of_each(values: Tensor) -> Tensor:
    """Ascending indices of the first occurrence of every distinct value in (K,) `values`."""
    _, group = values.unique(return_inverse=True)
    indices = torch.arange(len(values), device=values.device)
    first = torch.full((int(group.max()) + 1 if len(group) else 0,), len(values), device=values.device)
    return first.scatter_reduce(0, group, indices, "amin").sort().values
