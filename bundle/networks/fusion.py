"""Fusion heads: the tokens of both modalities to one standardised MD. Shape letters: B batch, N token, C channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bundle.networks.spec import describes_itself


def _head(in_features: int, hidden: int) -> nn.Module:
    """A linear head, or with `hidden` > 0 a two-layer one."""
    if hidden == 0:
        return nn.Linear(in_features, 1)
    return nn.Sequential(nn.Linear(in_features, hidden), nn.GELU(), nn.Linear(hidden, 1))


@describes_itself
class ConcatFusion(nn.Module):
    """y = head([mean_N h_oct, mean_N h_fundus]): the plain fusion of the literature.

    Args:
        oct_features, fundus_features: channels C of each encoder's tokens; MDRegressor fills them in.
        hidden: width of a hidden layer, 0 for a linear head.
    """

    def __init__(self, oct_features: int, fundus_features: int, hidden: int = 64) -> None:
        super().__init__()
        self.head = _head(oct_features + fundus_features, hidden)

    def forward(self, oct_BNC: Tensor, fundus_BNC: Tensor) -> Tensor:
        return self.head(torch.cat([oct_BNC.mean(1), fundus_BNC.mean(1)], dim=1))


@describes_itself
class GatedFusion(nn.Module):
    """y = head(g * W_o h_o + (1 - g) * W_f h_f) with a gate g in (0, 1) a channel, from both modalities."""

    def __init__(self, oct_features: int, fundus_features: int, width: int = 96, hidden: int = 64) -> None:
        super().__init__()
        self.oct_projection = nn.Linear(oct_features, width)
        self.fundus_projection = nn.Linear(fundus_features, width)
        self.gate = nn.Linear(oct_features + fundus_features, width)
        self.head = _head(width, hidden)

    def forward(self, oct_BNC: Tensor, fundus_BNC: Tensor) -> Tensor:
        oct_BC, fundus_BC = oct_BNC.mean(1), fundus_BNC.mean(1)
        gate_BC = torch.sigmoid(self.gate(torch.cat([oct_BC, fundus_BC], dim=1)))
        return self.head(gate_BC * self.oct_projection(oct_BC) + (1 - gate_BC) * self.fundus_projection(fundus_BC))


@describes_itself
class CrossAttentionFusion(nn.Module):
    """Each modality's tokens attend to the other's (pre-norm, residual), then both are averaged and concatenated."""

    def __init__(
        self, oct_features: int, fundus_features: int, width: int = 96, num_heads: int = 4, hidden: int = 64
    ) -> None:
        super().__init__()
        self.oct_projection = nn.Sequential(nn.Linear(oct_features, width), nn.LayerNorm(width))
        self.fundus_projection = nn.Sequential(nn.Linear(fundus_features, width), nn.LayerNorm(width))
        self.oct_to_fundus = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.fundus_to_oct = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.head = _head(2 * width, hidden)

    def forward(self, oct_BNC: Tensor, fundus_BNC: Tensor) -> Tensor:
        o, f = self.oct_projection(oct_BNC), self.fundus_projection(fundus_BNC)
        o_new = o + self.oct_to_fundus(o, f, f, need_weights=False)[0]
        f_new = f + self.fundus_to_oct(f, o, o, need_weights=False)[0]
        return self.head(torch.cat([o_new.mean(1), f_new.mean(1)], dim=1))
