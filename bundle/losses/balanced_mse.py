"""Balanced mean squared error with an analytical integral (GAI)."""

from __future__ import annotations

import math

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bundle.losses.arguments import check_number
from bundle.losses.buffers import VariableLengthBuffers
from bundle.losses.gaussian_mixture import fit_gaussian_mixture
from bundle.losses.present import present_rows


class BalancedMSELoss(VariableLengthBuffers):
    """Squared error of a model of p(y | x) under a *uniform* label distribution, trained on a skewed one.

        l_i = ( (p_i - y_i)^2 + 2 sigma^2 log sum_k pi_k Normal(p_i; mu_k, v_k + sigma^2) ) / scale_db^2

    The sum is the integral of Normal(y; p_i, sigma^2) over the training labels' density, a mixture of normal
    distributions (Ren et al., CVPR 2022, the variant GAI). Towards sigma 0, and for a flat density, its gradient is
    that of the squared error. The loss falls below 0. Unlike the batch variant (BMC) it does not depend on the
    batch size: BMC saturates on batches of a few volumes.

    Args:
        scale_db: SD of the training labels, dB, > 0.
        noise_db: sigma, SD of the prediction error, dB, > 0. Fixed here; the paper can also learn it.
        n_components: K of the mixture.

    Raises:
        InputError: an argument is outside its range.
    """

    shares: Tensor
    means_db: Tensor
    variances_db2: Tensor
    MIN_SD_DB = 0.25

    def __init__(self, scale_db: float, noise_db: float = 3.0, n_components: int = 8) -> None:
        super().__init__()
        self.scale_db = check_number("scale_db", scale_db, 0, low_open=True, high_open=True)
        self.noise_db = check_number("noise_db", noise_db, 0, low_open=True, high_open=True)
        self.n_components = int(check_number("n_components", n_components, 1))
        for name in ("shares", "means_db", "variances_db2"):
            self.register_buffer(name, torch.empty(0))

    def fit(self, md_db_train: ArrayLike) -> BalancedMSELoss:
        """Fit the mixture to the training labels, dB. Returns self."""
        fitted = fit_gaussian_mixture(md_db_train, self.n_components, self.MIN_SD_DB)
        self.shares, self.means_db, self.variances_db2 = (torch.from_numpy(values).float() for values in fitted)
        return self

    def log_integral(self, pred_db: Tensor) -> Tensor:
        """log of the integral of Normal(y; pred, sigma^2) p(y) dy, per dB, for (N,) predictions.

        Raises:
            RuntimeError: `fit` was not called.
        """
        if self.shares.numel() == 0:
            raise RuntimeError("BalancedMSELoss: no training labels yet, call fit(md_db_train) first")
        shares, means, variances = (b.to(pred_db) for b in (self.shares, self.means_db, self.variances_db2))
        variances = variances + self.noise_db**2
        z2 = (pred_db.unsqueeze(1) - means) ** 2 / variances
        return torch.logsumexp(shares.log() - 0.5 * (z2 + (2 * math.pi * variances).log()), dim=1)

    def forward(self, pred: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """mean_i w_i l_i over the eyes that have a prediction, a scalar; 0 with a zero gradient without one.

        Args:
            pred: predicted MD, dB, any shape, NaN for a missing modality.
            label, weight: MD, dB, and w, the shape of `pred`; w is 1 when None.
        """
        p, t, w = present_rows(pred, label, weight)
        losses = (p - t) ** 2 + 2 * self.noise_db**2 * self.log_integral(p)
        return (w * losses).sum() / (self.scale_db**2 * max(1, len(p)))
