"""Evidential regression: the likelihood of MD under the normal-inverse-gamma laws of the heads and of their mixture."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.losses.multimodal import MultimodalRegressionLoss
from bundle.networks.evidential import nig_parameters

FUSED = "fused"


def nig_loss(parameters_BK: Tensor, target_B1: Tensor, risk: float) -> Tensor:
    """-log p(y) + risk |mu - y| (2 nu + alpha), one value an eye, (B, 1), without unit.

    p is the law of y with its mean and variance integrated out (Amini et al., NeurIPS 2020): Student's t with 2 alpha
    degrees of freedom, location mu and squared scale beta (1 + nu) / (nu alpha). The second term takes evidence back
    where the answer is wrong.

    Args:
        parameters_BK: (B, 4) mu, nu > 0, alpha > 1, beta > 0.
        target_B1: y, in the units of mu.
        risk: weight of the second term.
    """
    mu, nu, alpha, beta = parameters_BK.split(1, dim=1)
    omega = 2 * beta * (1 + nu)
    squared = nu * (target_B1 - mu) ** 2
    likelihood = (
        0.5 * (math.pi / nu).log()
        + alpha * torch.log1p(squared / omega)
        + 0.5 * (squared + omega).log()
        + torch.lgamma(alpha)
        - torch.lgamma(alpha + 0.5)
    )
    return likelihood + risk * (mu - target_B1).abs() * (2 * nu + alpha)


class EvidentialRegressionLoss(MultimodalRegressionLoss):
    """L = l_mm + beta sum_m l_m, each l the mean of `nig_loss` over the eyes that have the modality (Ma et al., 2021).

    Needs heads of four outputs and `bundle.networks.NIGFusion`. What the trainer measures (`errors`) stays the squared
    error of mu. With one modality it is that modality's evidential regression.

    Args:
        mean_db, scale_db: mean and SD of MD in the train split, those of the network: y is standardised by them.
        unimodal_weight: beta > 0.
        risk: weight of the evidence on wrong answers, >= 0.

    Raises:
        InputError: an argument is outside its range, or (forward) a head or the fusion has not four outputs.
    """

    def __init__(self, mean_db: float, scale_db: float, unimodal_weight: float = 1.0, risk: float = 0.01) -> None:
        super().__init__(scale_db, check_number("unimodal_weight", unimodal_weight, 0, low_open=True, high_open=True))
        self.mean_db = check_number("mean_db", mean_db, -math.inf)
        self.risk = check_number("risk", risk, 0, high_open=True)

    def forward(self, outputs: dict[str, Any], label_db: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        modalities = list(outputs["features"])
        if len(modalities) == 1:
            alone = self._term(outputs, modalities[0], label_db, weight)
            return {"total": alone, FUSED: alone}
        parts = {name: self._term(outputs, name, label_db, weight) for name in (FUSED, *modalities)}
        total = parts[FUSED] + self.unimodal_weight * sum(parts[name] for name in modalities)
        return {"total": total, **parts}

    def _term(self, outputs: dict[str, Any], name: str, label_db: Tensor, weight: Tensor | None) -> Tensor:
        """Mean over the eyes with a prediction; 0 where there is none."""
        present_B = ~outputs["pred" if name == FUSED else f"pred_{name}"].isnan().flatten()
        if not bool(present_B.any()):
            return label_db.new_zeros(())
        said_BK = outputs["heads"][name]
        if said_BK.shape[1] != 4:
            raise InputError(f"outputs of {name}: found {said_BK.shape[1]}, expected 4; set head_outputs and NIGFusion")
        said_BK = said_BK[present_B].to(torch.promote_types(said_BK.dtype, torch.float32))
        parameters_BK = said_BK if name == FUSED else nig_parameters(said_BK)  # the fusion gives parameters already
        target_B1 = ((label_db[present_B] - self.mean_db) / self.mse.scale_db).to(parameters_BK.dtype)
        loss_B1 = nig_loss(parameters_BK, target_B1, self.risk)
        return (loss_B1 if weight is None else loss_B1 * weight[present_B].to(loss_B1.dtype)).mean()
