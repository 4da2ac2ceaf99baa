"""The objective with ConR, which needs predictions next to features."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bundle.losses.conr import ContrastiveRegularizerLoss
from bundle.losses.multimodal import MultimodalRegressionLoss


class MultimodalConRLoss(MultimodalRegressionLoss):
    """L = l_mm + beta sum_m l_m + conr_weight sum_m C_m, with C_m from z_m and the prediction of m's own head.

    A loss function and not a representation loss of `ContrastiveHandler`, which passes features and labels only. Each
    process of a distributed run contrasts its own eyes. A modality's term is in `forward`'s parts as `conr_<name>`.

    Args:
        contrast: the term of one modality.
        scale_db, unimodal_weight: see `MultimodalRegressionLoss`.
        conr_weight: >= 0.
    """

    def __init__(
        self,
        contrast: ContrastiveRegularizerLoss,
        scale_db: float,
        unimodal_weight: float = 0.5,
        conr_weight: float = 0.2,
    ) -> None:
        super().__init__(scale_db, unimodal_weight)
        if conr_weight < 0:
            raise ValueError(f"conr_weight is {conr_weight}; expected 0 or more")
        self.contrast = contrast
        self.conr_weight = float(conr_weight)

    def forward(self, outputs: dict[str, Any], label_db: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        parts = super().forward(outputs, label_db, weight)
        for name in list(outputs["features"]):
            z, pred = outputs[f"z_{name}"], outputs[f"pred_{name}"]
            present = z.isnan().any(dim=1).logical_not()
            term = self.contrast(z[present], label_db[present].flatten(), pred[present].flatten())
            parts[f"conr_{name}"] = term
            parts["total"] = parts["total"] + self.conr_weight * term
        return parts
