"""ReconBoost's loss for regression: one modality at a time learns what the others leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.losses.multimodal import MultimodalRegressionLoss


class ReconBoostLoss(MultimodalRegressionLoss):
    """Squared error of an additive answer, in which only the active modality learns.

    With shares s_m, the standardised outputs of the unimodal heads, the answer is c_0 + sum_m s_m, c_0 the mean of the
    training labels (Hua et al., ICML 2024, with L2-boosting in place of classification). While m is active:

        L = mean_i w_i (s_m,i - r_i)^2 + lambda mean_i w_i (s_m,i - y_i)^2,   r_i = y_i - sum_{j != m} stopgrad(s_j,i)

    and in a rectification, with all shares learning together:  L = mean_i w_i (sum_m s_m,i - y_i)^2.
    A missing modality has the share 0, in training as in the network's answer; an eye without the active one is left
    out. The others' weights have no gradient (None), so that neither weight decay nor momentum moves them.

    At the minimum for lambda > 0, with modalities that can each predict y, two shares add up to
    y (2 + 2 lambda) / (2 + lambda), which is too much: the rectification takes it back.

    Args:
        scale_db, mean_db: SD and mean of MD in the train split, dB, as in the network.
        label_weight: lambda >= 0, pull of the active share towards the label itself.

    Attributes:
        active: the modality that learns, None in a rectification. A `StagesHandler` sets it.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(self, scale_db: float, mean_db: float, label_weight: float = 0.2) -> None:
        super().__init__(scale_db, unimodal_weight=1.0)
        self.mean_db = float(mean_db)
        self.label_weight = check_number("label_weight", label_weight, 0, high_open=True)
        self.active: str | None = None

    def forward(self, outputs: dict[str, Any], label_db: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        parts = super().forward(outputs, label_db, weight)
        learning = list(outputs["features"]) if self.active is None else [self.active]
        parts["total"] = self.criterion(self._answer_db(outputs, learning), label_db, weight)
        if self.active is not None and self.label_weight:
            own = self.criterion(outputs[f"pred_{self.active}"], label_db, weight)
            parts["total"] = parts["total"] + self.label_weight * own
        if not parts["total"].requires_grad:  # no eye of the batch has the active modality: nothing learns
            parts["total"] = parts["total"].detach().requires_grad_()
        return parts

    def _answer_db(self, outputs: dict[str, Any], learning: Sequence[str]) -> Tensor:
        """(B, 1) sum of what is present, gradients through `learning` alone; NaN for an eye that has none of these."""
        pred_db = {name: outputs[f"pred_{name}"] for name in outputs["features"]}
        total = torch.full_like(next(iter(pred_db.values())), self.mean_db)
        for name, pred in pred_db.items():
            share = torch.where(pred.isnan(), 0.0, pred - self.mean_db)
            total = total + (share if name in learning else share.detach())
        absent = torch.stack([pred_db[name].isnan() for name in learning]).all(0)
        return total.masked_fill(absent, torch.nan)
