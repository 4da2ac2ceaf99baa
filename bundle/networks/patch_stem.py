"""The light default encoder: a patchifying stem and a few residual stages, in 2-D or 3-D."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from monai.networks.layers.factories import Conv, Dropout
from monai.networks.layers.utils import get_act_layer, get_norm_layer
from torch import Tensor, nn

from bundle.networks.spec import describes_itself
from bundle.networks.tokens import to_tokens

# Shape letters: B batch, C channel, N token (a position of the last feature map), * spatial axes.


class ResidualStage(nn.Module):
    """x + conv(act(norm(conv(x)))), after an optional stride-2 projection that changes the width."""

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int, stride: int, norm: str | tuple) -> None:
        super().__init__()
        conv = Conv["conv", spatial_dims]
        self.down = nn.Sequential(
            conv(in_channels, out_channels, kernel_size=stride, stride=stride, bias=False),
            get_norm_layer(norm, spatial_dims, out_channels),
        )
        self.body = nn.Sequential(
            get_act_layer("gelu"),
            conv(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            get_norm_layer(norm, spatial_dims, out_channels),
        )
        self.act = get_act_layer("gelu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return self.act(x + self.body(x))


@describes_itself
class PatchStemEncoder(nn.Module):
    """Image to tokens: (B, C_in, *) -> (B, N, channels[-1]).

    The stem is one convolution with kernel = stride = `patch`, which suits the anisotropic voxels of OCT and costs
    less than overlapping stems. Every later stage halves each axis.

    Args:
        spatial_dims: 3 for OCT (B-scan, depth, A-scan), 2 for fundus.
        in_channels: 1 for OCT, 3 for fundus.
        patch: stem kernel and stride in voxels or pixels, one value an axis.
        channels: width of the stem and of each stage.
        norm: a MONAI norm name, for example "batch", "instance" or ["group", {"num_groups": 8}].
        dropout: probability for whole feature channels after the last stage, 0 for none.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        patch: Sequence[int],
        channels: Sequence[int] = (24, 48, 96),
        norm: str | Sequence = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(patch) != spatial_dims:
            raise ValueError(f"patch has {len(patch)} values; expected one for each of {spatial_dims} axes")
        norm_ = norm if isinstance(norm, str) else (norm[0], dict(norm[1]))  # type: ignore[arg-type]
        self.out_features = int(channels[-1])
        self.patch_size = tuple(int(p) for p in patch)
        self.stem = nn.Sequential(
            Conv["conv", spatial_dims](in_channels, channels[0], self.patch_size, self.patch_size, bias=False),
            get_norm_layer(norm_, spatial_dims, channels[0]),
            get_act_layer("gelu"),
        )
        self.stages = nn.Sequential(*[ResidualStage(spatial_dims, a, b, 2, norm_) for a, b in pairwise(channels)])
        self.dropout = Dropout["dropout", spatial_dims](dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, N, C) of the last feature map, in row-major order of its positions."""
        return to_tokens(self.dropout(self.stages(self.stem(x))))
