"""Feature maps as tokens. Shape letters: B batch, C channel, N token (a position of the map), * spatial axes."""

from __future__ import annotations

import torch
from torch import Tensor


def to_tokens(features: Tensor) -> Tensor:
    """(B, C, *) -> (B, N, C), positions in row-major order.

    PyTorch 2.13's batch and instance norms on the CPU read the gradient of a batch of one in the wrong order when it
    comes from transposed tokens, and raise nothing; the backward pass of `index_select` hands them one in order.
    """
    features_BCN = torch.flatten(features, 2)
    if features_BCN.requires_grad and features_BCN.shape[0] == 1:
        features_BCN = features_BCN.index_select(0, torch.zeros(1, dtype=torch.long, device=features_BCN.device))
    return features_BCN.transpose(1, 2)
