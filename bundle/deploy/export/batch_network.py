"""The network without branches on data: what torch.export and ONNX can hold."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bundle.networks import MDRegressor


class BatchNetwork(nn.Module):
    """`MDRegressor.predict_subsets` for a whole batch at once.

    The original looks whether an eye has an image and encodes only those that do. Here every row goes through both
    encoders, zeros in place of what is missing, and what it gives is thrown away: in eval mode eyes do not see each
    other, so the others' answers stay the same.

    Args:
        network: in eval mode; its weights stop asking for gradients.
    """

    def __init__(self, network: MDRegressor) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def forward(self, image: Tensor | None = None, fundus: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """MD in dB, each (B,): from all that an eye has, from OCT alone, from the photograph alone.

        image: (B, 1, D, H, W), fundus: (B, 3, H, W), float32; a row full of NaN is an image not taken. An input that
        the network reads must be there. NaN where an answer is not possible.
        """
        net = self.network
        oct_B1 = fundus_B1 = torch.full((_batch(image, fundus), 1), float("nan"))
        if image is not None:
            has_oct_B1, oct_BNC = _encoded(net.oct_encoder, image)
            oct_head_BK = net.oct_head(oct_BNC.mean(1))
            oct_B1 = torch.where(has_oct_B1, net.to_db(oct_head_BK[:, :1]), float("nan"))
        if fundus is not None:
            has_fundus_B1, fundus_BNC = _encoded(net.fundus_encoder, fundus)
            fundus_head_BK = net.fundus_head(fundus_BNC.mean(1))
            fundus_B1 = torch.where(has_fundus_B1, net.to_db(fundus_head_BK[:, :1]), float("nan"))
        fused_B1 = torch.full_like(oct_B1, float("nan"))
        if image is not None and fundus is not None:
            fused_B1 = net.to_db(net.fuse(oct_BNC, fundus_BNC, oct_head_BK, fundus_head_BK)[:, :1])
        fused_B1, oct_B1, fundus_B1 = net.recalibrate(fused_B1, oct_B1, fundus_B1)
        best_B1 = oct_B1 if image is not None else fundus_B1
        if image is not None and fundus is not None:
            best_B1 = torch.where(has_oct_B1, torch.where(has_fundus_B1, fused_B1, oct_B1), fundus_B1)
        return best_B1.flatten(), oct_B1.flatten(), fundus_B1.flatten()


def _encoded(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows have an image, (B, 1), and the tokens of all rows, (B, N, C), zero where there is none."""
    present_B = torch.logical_not(torch.isnan(x).flatten(1).all(dim=1))
    present = present_B.view([-1] + [1] * (x.ndim - 1))
    tokens_BNC = encoder(torch.where(present, x, 0.0))
    return present_B.view(-1, 1), torch.where(present_B.view(-1, 1, 1), tokens_BNC, 0.0)


def _batch(image: Tensor | None, fundus: Tensor | None) -> int:
    x = image if image is not None else fundus
    if x is None:
        raise ValueError("BatchNetwork: both `image` (OCT) and `fundus` are missing; expected at least one")
    return x.shape[0]
