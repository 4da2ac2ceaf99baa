"""Gradient aligned regression (GAR)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.losses.present import present_rows

TINY = 1e-7
SHORT = 1e-3  # a collapsed network, all predictions equal, must not get a gradient of any size


class GradientAlignedLoss(nn.Module):
    """Absolute error, variance of the error and 1 - correlation, combined by a logarithmic mean of powers.

        L_1 = mean_i |p_i - t_i|
        L_2 = mean_i ( (p_i - mean p) - (t_i - mean t) )^2 = 1/(2 n^2) sum_ij ( (p_i - p_j) - (t_i - t_j) )^2
        L_3 = 1 - corr(p, t) = 1/2 mean_i ( (p_i - mean p) / sd p - (t_i - mean t) / sd t )^2
        L   = power * log( 1/3 sum_k L_k^(1/power) )

    with p and t the predictions and labels divided by `scale_db` (Zhu, Yang and Jerby, ICML 2025). The authors' code
    halves L_2; here it equals the paper's sum over pairs. L falls below 0 as the errors shrink, and its gradient grows
    like 1/L. Needs no negatives, no queue and no pairs of features.

    Args:
        scale_db: SD of the training labels, dB, > 0: without it L_1 and L_2 would depend on the unit.
        power: alpha > 0: towards 0 the largest term, 1 the arithmetic mean, towards infinity the geometric mean.

    Raises:
        InputError: an argument is outside its range, or (forward) sample weights that are not all 1.
    """

    def __init__(self, scale_db: float, power: float = 0.5) -> None:
        super().__init__()
        self.scale_db = check_number("scale_db", scale_db, 0, low_open=True, high_open=True)
        self.power = check_number("power", power, 0, low_open=True, high_open=True)

    def forward(self, pred: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scalar loss. With one eye it is log L_1: nothing varies. 0 with a zero gradient with no eye.

        Args:
            pred: predicted MD, dB, any shape, NaN for a missing modality.
            label: MD, dB, the shape of `pred`.
            weight: None, or ones.
        """
        p, t, w = present_rows(pred, label, weight)
        if not bool((w == 1).all()):
            raise InputError("GradientAlignedLoss: takes no sample weights; set descent_rarity_power to 0")
        if len(p) == 0:
            return p.sum()
        p, t = p / self.scale_db, t / self.scale_db
        terms = [(p - t).abs().mean()]
        if len(p) > 1:
            p, t = p - p.mean(), t - t.mean()
            lengths = torch.linalg.vector_norm(p) * torch.linalg.vector_norm(t)
            terms += [(p - t).square().mean(), 1 - (p * t).sum() / lengths.clamp_min(SHORT)]
        logs = (torch.stack(terms).clamp_min(0) + TINY).log()
        return self.power * (torch.logsumexp(logs / self.power, 0) - math.log(len(terms)))
