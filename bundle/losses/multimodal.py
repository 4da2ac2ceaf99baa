"""The regression part of the objective: L = l_mm + beta * sum_m l_m."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from bundle.losses.regression import WeightedMSELoss


class MultimodalRegressionLoss(nn.Module):
    """Squared error of the fused and of the unimodal predictions, in units of the label's variance.

    l_mm = mean_i w_i ((yhat_i - y_i) / s)^2, l_m likewise for the unimodal head of m, s = SD of MD in the train
    split (method, section 1). An eye without modality m does not enter l_m; an eye with one modality not l_mm.

    Args:
        scale_db: s, in dB.
        unimodal_weight: beta. With 0 the unimodal heads are probes: they learn from detached features with weight 1,
            which reaches no encoder (`TrainingNetwork(probe_heads=True)`).

    forward(outputs, label_db (B, 1), weight (B, 1) or None) -> {"total", "fused", and one entry a modality}.
    """

    def __init__(self, scale_db: float, unimodal_weight: float = 0.5) -> None:
        super().__init__()
        if unimodal_weight < 0:
            raise ValueError(f"unimodal_weight is {unimodal_weight}; expected 0 or more")
        self.unimodal_weight = float(unimodal_weight)
        self.mse = WeightedMSELoss(scale_db)
        self.criterion: nn.Module = self.mse  # what is minimised; a variant puts another one here

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

    def errors(self, outputs: dict[str, Any], label_db: Tensor) -> dict[str, float]:
        """l_m of every modality without sample weights, as numbers: what S_m and e_m are made of.

        NaN for a modality that no eye of the batch has.
        """
        values = {}
        for name in outputs["features"]:
            pred = outputs[f"pred_{name}"].detach()
            values[name] = float("nan") if bool(pred.isnan().all()) else float(self.mse(pred, label_db))
        return values
