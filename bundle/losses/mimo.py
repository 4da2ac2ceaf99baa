"""The fused loss plus a soft maximum of the unimodal ones."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.losses.multimodal import MultimodalRegressionLoss


class MIMORegressionLoss(MultimodalRegressionLoss):
    """L = l_mm + lambda / t log mean_m exp(t l_m): the modality that lags behind weighs more (arXiv 2511.06686).

    The gradient is l_mm's plus lambda sum_m softmax(t l)_m times l_m's. t -> 0 is the mean of the unimodal losses,
    t -> infinity the worst one. A modality that no eye of the batch has is left out of the mean.

    Args:
        scale_db: s, SD of MD in the train split, dB.
        unimodal_weight: lambda > 0.
        temperature: t >= 0; 0 is the limit, the mean.

    Raises:
        InputError: an argument is outside its range.

    Combiners see lambda l_m as modality m's auxiliary loss, without its softmax weight: leave them off with this loss.
    """

    def __init__(self, scale_db: float, unimodal_weight: float = 1.0, temperature: float = 1.0) -> None:
        super().__init__(scale_db, check_number("unimodal_weight", unimodal_weight, 0, low_open=True, high_open=True))
        self.temperature = check_number("temperature", temperature, 0, high_open=True)

    def forward(self, outputs: dict[str, Any], label_db: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        parts = super().forward(outputs, label_db, weight)
        present = [m for m in outputs["features"] if m in parts and not bool(outputs[f"pred_{m}"].isnan().all())]
        parts["total"] = parts["fused"]
        if present:
            parts["total"] = parts["fused"] + self.unimodal_weight * self._soft_maximum([parts[m] for m in present])
        return parts

    def _soft_maximum(self, losses: list[Tensor]) -> Tensor:
        """(1/t) log mean exp(t l)."""
        stacked = torch.stack(losses)
        if self.temperature == 0:
            return stacked.mean()
        return (torch.logsumexp(self.temperature * stacked, 0) - math.log(len(losses))) / self.temperature
