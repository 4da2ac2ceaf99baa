"""Late fusion: what the unimodal heads say becomes one standardised MD. Shape letters: B batch, K output of a head."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from bundle.networks.spec import describes_itself


@describes_itself
class AverageFusion(nn.Module):
    """y = (u_oct + u_fundus) / 2: the mean of both heads' answers; nothing is learned.

    Args:
        oct_features, fundus_features: not used; MDRegressor fills them in for every fusion.
    """

    reads_heads: Final = True

    def __init__(self, oct_features: int = 1, fundus_features: int = 1) -> None:
        super().__init__()

    def forward(self, oct_BK: Tensor, fundus_BK: Tensor) -> Tensor:
        return (oct_BK + fundus_BK) / 2


@describes_itself
class SumFusion(nn.Module):
    """y = u_oct + u_fundus: additive parts of one answer, as boosting learns them; nothing is learned here.

    Args:
        oct_features, fundus_features: not used; MDRegressor fills them in for every fusion.
    """

    reads_heads: Final = True

    def __init__(self, oct_features: int = 1, fundus_features: int = 1) -> None:
        super().__init__()

    def forward(self, oct_BK: Tensor, fundus_BK: Tensor) -> Tensor:
        return oct_BK + fundus_BK
