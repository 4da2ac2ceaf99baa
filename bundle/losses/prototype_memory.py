"""Prototypes: the mean feature of each MD bin, followed over the epochs."""

from __future__ import annotations

import torch
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.losses.buffers import VariableLengthBuffers


class PrototypeMemory(VariableLengthBuffers):
    """c_k <- (1 - keep) mean{ h_i : eye i of the epoch is in bin k } + keep c_k.

    A bin's first prototype is the mean itself. A bin without an eye keeps its prototype; without any yet it is a row of
    NaN. The sums of an epoch under way are not part of the state.

    Args:
        bins: K.
        keep: share of the old prototype, in [0, 1).

    Raises:
        InputError: `keep` is outside its range.

    Example:
        >>> memory = PrototypeMemory(bins=2)
        >>> memory.add(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0, 0]))
        >>> memory.update().tolist()
        [[2.0, 3.0], [nan, nan]]
    """

    prototypes: Tensor

    def __init__(self, bins: int, keep: float = 0.2) -> None:
        super().__init__()
        self.bins, self.keep = bins, check_number("keep", keep, 0, 1, high_open=True)
        self.register_buffer("prototypes", torch.full((bins, 1), torch.nan))
        self.sums_KC, self.counts_K1 = torch.zeros(bins, 1), torch.zeros(bins, 1)

    def add(self, h_BC: Tensor, bin_B: Tensor) -> None:
        """Take note of features and their bins; no eye at all is allowed."""
        if self.sums_KC.shape[1] != h_BC.shape[1] or self.sums_KC.device != h_BC.device:
            self._begin(h_BC)
        self.sums_KC.index_add_(0, bin_B, h_BC.detach().float())
        self.counts_K1.index_add_(0, bin_B, torch.ones(len(bin_B), 1, device=h_BC.device))

    def update(self) -> Tensor:
        """End of an epoch: the new prototypes (K, C)."""
        mean_KC = self.sums_KC / self.counts_K1.clamp_min(1)
        old_KC = self.prototypes.to(mean_KC.device)
        moved_KC = torch.where(old_KC.isnan(), mean_KC, (1 - self.keep) * mean_KC + self.keep * old_KC)
        self.prototypes = torch.where(self.counts_K1 > 0, moved_KC, old_KC)
        self._begin(mean_KC)
        return self.prototypes

    def _begin(self, like_NC: Tensor) -> None:
        self.sums_KC = torch.zeros(self.bins, like_NC.shape[1], device=like_NC.device)
        self.counts_K1 = torch.zeros(self.bins, 1, device=like_NC.device)
