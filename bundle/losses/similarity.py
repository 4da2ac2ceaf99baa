"""How alike two features are."""

from __future__ import annotations

import torch
from torch import Tensor


def cosine_similarity_matrix(z: Tensor, keys: Tensor) -> Tensor:
    """Cosine of every row of `z` (N, dim) with every row of `keys` (K, dim): (N, K) in [-1, 1].

    A zero feature has similarity 0 with everything, and a gradient of ordinary size.
    """
    return unit_rows(z) @ unit_rows(keys).T


def negative_distance_matrix(z: Tensor, keys: Tensor) -> Tensor:
    """-|z_i - z_k|_2 of the features as they are, not normalised: (N, K), <= 0.

    At coincident features the gradient is 0, not NaN. The distances are exact differences: the faster expansion
    |a|^2 + |b|^2 - 2ab loses small distances in float32.
    """
    return -torch.cdist(z, keys, compute_mode="donot_use_mm_for_euclid_dist")


def unit_rows(z: Tensor) -> Tensor:
    """Rows divided by their length; a zero row stays zero.

    `torch.nn.functional.normalize` would divide a zero row, and so its gradient, by 1e-12.
    """
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / torch.where(length > 0, length, torch.ones_like(length))
