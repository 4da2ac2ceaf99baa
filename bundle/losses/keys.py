"""What an anchor is compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from bundle.losses.label_values import label_values


def contrast_keys(
    z: Tensor, md_db: Tensor, z_queue: Tensor | None = None, md_queue_db: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Features (N + Q, dim) and labels (N + Q,), dB, see `label_values`, of the batch followed by the queue.

    Raises:
        ValueError: shapes disagree, a queue has only one half, or a value is not finite; the message names it.
    """
    if (z_queue is None) != (md_queue_db is None):
        raise ValueError("z_queue and md_queue_db: found one of them, expected both or neither")
    pairs = [("z", z, "md_db", md_db)]
    if z_queue is not None and md_queue_db is not None:
        pairs.append(("z_queue", z_queue.to(z), "md_queue_db", md_queue_db.to(z.device)))
    for z_name, features, md_name, labels in pairs:
        if features.ndim != 2 or features.shape[1] != z.shape[1] or labels.shape != features.shape[:1]:
            raise ValueError(
                f"{z_name} and {md_name}: found shapes {tuple(features.shape)} and {tuple(labels.shape)}, "
                f"expected (N, {z.shape[-1]}) and (N,)"
            )
        for name, values in ((z_name, features), (md_name, labels)):
            if not bool(values.isfinite().all()):
                raise ValueError(f"{name}: found a value that is not finite; leave rows of missing images out")
    return torch.cat([pair[1] for pair in pairs]), torch.cat([label_values(pair[3]) for pair in pairs])


def columns_without_self(n: int, k: int, device: torch.device) -> Tensor:
    """(n, k - 1) column indices of an (n, k) matrix that leave out column i in row i.

    Gathering the other columns instead of masking with -inf leaves no special value for a log-sum-exp to meet.
    """
    columns = torch.arange(k - 1, device=device).expand(n, -1)
    return columns + (columns >= torch.arange(n, device=device).unsqueeze(1))
