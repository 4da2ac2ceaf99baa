"""The two denominators of a contrastive softmax."""

from __future__ import annotations

import torch
from torch import Tensor


def log_denominator_all(logits: Tensor, distance_db: Tensor) -> Tensor:
    """log sum over all keys of exp(logit), for every pair: (N, 1), the same for all pairs of an anchor.

    Args:
        logits: (N, K) logits of the anchor's keys, itself excluded, K >= 1.
        distance_db: not used; here so that both denominators have one signature.
    """
    return torch.logsumexp(logits, dim=1, keepdim=True)


def log_denominator_rank(logits: Tensor, distance_db: Tensor) -> Tensor:
    """log sum of exp(logit) over the keys at least as far from the anchor in MD as the pair's own key: (N, K).

    S_ij = {k : d_ik >= d_ij}, the denominator of Rank-N-Contrast. One sort and one running log-sum-exp per anchor,
    O(N K log K) time and O(N K) memory.

    Args:
        logits: (N, K) logits of the anchor's keys, itself excluded, K >= 1.
        distance_db: (N, K) label distances of the same pairs, dB. Equal distances are in each other's sets.
    """
    far_first = distance_db.argsort(dim=1, descending=True)
    running = torch.logcumsumexp(logits.gather(1, far_first), dim=1)
    ascending = -distance_db.gather(1, far_first)
    last_of_tie = torch.searchsorted(ascending, -distance_db.contiguous(), right=True) - 1
    return running.gather(1, last_of_tie)
