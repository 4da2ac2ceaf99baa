"""The regression part of the objective with a criterion other than the squared error."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from bundle.losses.multimodal import MultimodalRegressionLoss


class MultimodalCriterionLoss(MultimodalRegressionLoss):
    """L = c(yhat) + beta * sum_m c(yhat_m), where c takes the place of the squared error of the parent class.

    What the trainer measures (`errors`, the e_m and S_m of the method) stays the squared error.

    Args:
        criterion: called as criterion(pred, label, weight) -> scalar, tensors (B, 1) in dB, `pred` NaN in the rows of
            a missing modality: the interface of `WeightedMSELoss`, with which this class is its parent.
        scale_db: s of the squared error, dB.
        unimodal_weight: beta, see `MultimodalRegressionLoss`.
    """

    def __init__(self, criterion: nn.Module, scale_db: float, unimodal_weight: float = 0.5) -> None:
        super().__init__(scale_db, unimodal_weight)
        self.criterion = criterion

    def forward(self, outputs: dict[str, Any], label_db: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        fused = self.criterion(outputs["pred"], label_db, weight)
        parts = {"total": fused, "fused": fused}
        modalities = list(outputs["features"])
        if len(modalities) > 1:
            for name in modalities:
                parts[name] = self.criterion(outputs[f"pred_{name}"], label_db, weight)
                # with beta 0 the heads are probes, which learn with weight 1
                parts["total"] = parts["total"] + (self.unimodal_weight or 1.0) * parts[name]
        return parts
