"""Evidential heads: a normal-inverse-gamma law of MD from each modality, and their mixture.

Shape letters: B batch, K the four parameters (mu, nu, alpha, beta) of a law, standardised units.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from bundle.networks.spec import describes_itself


def nig_parameters(raw_BK: Tensor) -> Tensor:
    """A head's outputs to the parameters of its law: mu as it is, nu, beta > 0 and alpha > 1. Apply it once.

        nu = softplus(r_1),  alpha = 1 + softplus(r_2),  beta = softplus(r_3)

    The law is y ~ Normal(mu_0, s^2), mu_0 ~ Normal(mu, s^2 / nu), s^2 ~ InverseGamma(alpha, beta).

    Args:
        raw_BK: (B, 4) outputs of a unimodal head.

    Returns:
        (B, 4) mu, nu, alpha, beta.
    """
    positive = softplus(raw_BK[:, 1:4]) + 1e-6  # far below 0 softplus rounds to 0
    return torch.cat([raw_BK[:, 0:1], positive[:, 0:1], positive[:, 1:2] + 1.0, positive[:, 2:3]], dim=1)


def fuse_nig(a_BK: Tensor, b_BK: Tensor) -> Tensor:
    """The sum of two normal-inverse-gamma laws (Ma et al., NeurIPS 2021, Eq. 9): commutative and associative.

        mu = (nu_1 mu_1 + nu_2 mu_2) / (nu_1 + nu_2),  nu = nu_1 + nu_2,  alpha = alpha_1 + alpha_2 + 1/2,
        beta = beta_1 + beta_2 + 1/2 nu_1 (mu_1 - mu)^2 + 1/2 nu_2 (mu_2 - mu)^2

    Args:
        a_BK, b_BK: (B, 4) parameters, as `nig_parameters` gives them.

    Returns:
        (B, 4) parameters of the fused law.
    """
    mu_a, nu_a, alpha_a, beta_a = a_BK[:, 0:1], a_BK[:, 1:2], a_BK[:, 2:3], a_BK[:, 3:4]
    mu_b, nu_b, alpha_b, beta_b = b_BK[:, 0:1], b_BK[:, 1:2], b_BK[:, 2:3], b_BK[:, 3:4]
    nu = nu_a + nu_b
    mu = (nu_a * mu_a + nu_b * mu_b) / nu
    spread = nu_a * (mu_a - mu) ** 2 + nu_b * (mu_b - mu) ** 2
    return torch.cat([mu, nu, alpha_a + alpha_b + 0.5, beta_a + beta_b + 0.5 * spread], dim=1)


@describes_itself
class NIGFusion(nn.Module):
    """Mixture of normal-inverse-gamma laws (MoNIG): the modality that is surer of its mean weighs more, eye by eye.

    Gets what both heads say (B, 4), with `head_outputs` 4, and gives the parameters of the fused law, `fuse_nig`; the
    first is the standardised MD. What it gives is in its ranges already: `nig_parameters` is for heads alone.

    Args:
        oct_features, fundus_features: not used; MDRegressor fills them in for every fusion.
    """

    reads_heads: Final = True

    def __init__(self, oct_features: int = 1, fundus_features: int = 1) -> None:
        super().__init__()

    def forward(self, oct_BK: Tensor, fundus_BK: Tensor) -> Tensor:
        return fuse_nig(nig_parameters(oct_BK), nig_parameters(fundus_BK))
