"""Features of earlier batches as further contrast keys."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bundle.errors import InputError
from bundle.losses.buffers import VariableLengthBuffers


class FeatureQueue(VariableLengthBuffers):
    """First-in first-out store of detached (feature, MD) pairs of one modality, oldest first.

    The state is part of the training checkpoint, so that a resumed run sees the same keys. The queue moves to the
    device of the features it is fed. A batch larger than the queue leaves its newest rows.

    Args:
        size: the most pairs held; 0 is a queue that stays empty.
        dim: length of a feature.

    Raises:
        InputError: `size` is negative or `dim` not positive, or a checkpoint does not fit them.

    Example:
        >>> queue = FeatureQueue(size=3, dim=1)
        >>> queue.enqueue(torch.tensor([[1.0], [2.0]]), torch.tensor([-1.0, -2.0]))
        >>> queue.enqueue(torch.tensor([[3.0], [4.0]]), torch.tensor([-3.0, -4.0]))
        >>> queue.md_db.tolist()
        [-2.0, -3.0, -4.0]
    """

    z: Tensor
    md_db: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        if size < 0:
            raise InputError(f"size: found {size}, expected 0 or more queue entries")
        if dim < 1:
            raise InputError(f"dim: found {dim}, expected a feature length of 1 or more")
        self.size = size
        self.dim = dim
        self.register_buffer("z", torch.empty(0, dim))
        self.register_buffer("md_db", torch.empty(0))

    def __len__(self) -> int:
        return self.z.shape[0]

    @torch.no_grad()
    def enqueue(self, z: Tensor, md_db: Tensor) -> None:
        """Append a batch and drop the oldest pairs beyond `size`.

        Args:
            z: (N, dim) features.
            md_db: (N,) labels, dB. Both are stored as float32 copies without their graph.

        Raises:
            ValueError: the shapes do not agree with each other or with `dim`.
        """
        if z.ndim != 2 or z.shape[1] != self.dim or md_db.shape != z.shape[:1]:
            raise ValueError(
                f"enqueue: found z {tuple(z.shape)} and md_db {tuple(md_db.shape)}, expected (N, {self.dim}) and (N,)"
            )
        self.z = self._newest(self.z, z)
        self.md_db = self._newest(self.md_db, md_db)

    def _newest(self, held: Tensor, new: Tensor) -> Tensor:
        both = torch.cat([held.to(new.device), new.detach().to(held.dtype)])
        return both[max(0, both.shape[0] - self.size) :].clone()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        stored = state_dict.get(prefix + "z")
        if isinstance(stored, Tensor) and (stored.shape[0] > self.size or stored.shape[1:] != (self.dim,)):
            raise InputError(
                f"{prefix}z: the checkpoint holds features {tuple(stored.shape)}, "
                f"expected at most ({self.size}, {self.dim}); use the queue size and projection_dim of that run"
            )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
