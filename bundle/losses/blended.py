"""The regression part of the objective with a weight of its own for each prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.losses.multimodal import MultimodalRegressionLoss


class BlendedRegressionLoss(MultimodalRegressionLoss):
    """L = w_fused l_mm + sum_m w_m l_m.

    With w_fused 0 and w_m 1 every modality is trained as if it were alone: no gradient is shared.

    Args:
        scale_db: s, SD of MD in the train split, dB.
        weights: "fused" and every modality -> weight >= 0. May be changed between steps, as G-Blend does.

    Raises:
        InputError: a negative weight, or (forward) no prediction of the network has a weight.
    """

    def __init__(self, scale_db: float, weights: Mapping[str, float]) -> None:
        super().__init__(scale_db, unimodal_weight=1.0)
        self.weights = {name: check_number(f"weights#{name}", value, 0) for name, value in weights.items()}

    def forward(self, outputs: dict[str, Any], label_db: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        parts = super().forward(outputs, label_db, weight)
        del parts["total"]
        # a part of weight 0 is left out: a zero gradient would still let weight decay and momentum move its weights
        terms = [self.weights.get(name, 0.0) * part for name, part in parts.items() if self.weights.get(name, 0.0)]
        if not terms:
            raise InputError(f"weights: found {self.weights}, expected one above 0 among {', '.join(parts)}")
        return {"total": sum(terms[1:], terms[0]), **parts}
