"""MONAI's backbones as encoders: the same contract as `PatchStemEncoder`, image in, tokens (B, N, C) out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.networks.nets import DenseNet, EfficientNetBN, ResNet, ViT
from torch import Tensor, nn

from bundle.networks.spec import describes_itself
from bundle.networks.tokens import to_tokens

RESNET_LAYERS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


@describes_itself
class ResNetEncoder(nn.Module):
    """MONAI ResNet (basic blocks) without its head.

    Args:
        depth: 10, 18 or 34.
        widen: factor on the channel widths 64, 128, 256, 512.
        conv1_t_size, conv1_t_stride: kernel and stride of the first convolution.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        depth: int = 18,
        widen: float = 1.0,
        conv1_t_size: int | Sequence[int] = 7,
        conv1_t_stride: int | Sequence[int] = 2,
        norm: str | Sequence = "batch",
    ) -> None:
        super().__init__()
        if depth not in RESNET_LAYERS:
            raise ValueError(f"ResNetEncoder depth is {depth}; expected one of {sorted(RESNET_LAYERS)}")
        planes = [int(width * widen) for width in (64, 128, 256, 512)]
        kernel = conv1_t_size if isinstance(conv1_t_size, int) else tuple(conv1_t_size)
        stride = conv1_t_stride if isinstance(conv1_t_stride, int) else tuple(conv1_t_stride)
        net = ResNet(
            "basic",
            list(RESNET_LAYERS[depth]),
            planes,
            spatial_dims=spatial_dims,
            n_input_channels=in_channels,
            conv1_t_size=kernel,
            conv1_t_stride=stride,
            feed_forward=False,
            norm=norm if isinstance(norm, str) else (norm[0], dict(norm[1])),  # type: ignore[arg-type]
        )
        self.out_features = planes[-1]
        self.layers = nn.Sequential(
            net.conv1, net.bn1, net.act, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4
        )

    def forward(self, x: Tensor) -> Tensor:
        return to_tokens(self.layers(x))


@describes_itself
class DenseNetEncoder(nn.Module):
    """MONAI DenseNet without its head; the default block configuration is DenseNet-121."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        init_features: int = 64,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
    ) -> None:
        super().__init__()
        net = DenseNet(
            spatial_dims,
            in_channels,
            1,
            init_features=init_features,
            growth_rate=growth_rate,
            block_config=tuple(block_config),
        )
        self.out_features = int(net.class_layers.out.in_features)
        self.features = net.features
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return to_tokens(self.act(self.features(x)))


@describes_itself
class EfficientNetEncoder(nn.Module):
    """MONAI EfficientNet (b0 to b7) without its head, always from fresh weights: MONAI's default would download."""

    def __init__(self, spatial_dims: int, in_channels: int, model_name: str = "efficientnet-b0") -> None:
        super().__init__()
        self.net = EfficientNetBN(
            model_name, pretrained=False, spatial_dims=spatial_dims, in_channels=in_channels, num_classes=1
        )
        self.out_features = int(self.net._fc.in_features)

    def forward(self, x: Tensor) -> Tensor:
        net = self.net
        x = net._swish(net._bn0(net._conv_stem(net._conv_stem_padding(x))))
        x = net._blocks(x)
        return to_tokens(net._swish(net._bn1(net._conv_head(net._conv_head_padding(x)))))


@describes_itself
class ViTEncoder(nn.Module):
    """MONAI ViT: the tokens of its last block, without a class token.

    Args:
        img_size: size of the input on each axis; the grid of the transforms.
        patch: patch size on each axis.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        img_size: Sequence[int],
        patch: Sequence[int],
        hidden_size: int = 384,
        mlp_dim: int = 1536,
        num_layers: int = 12,
        num_heads: int = 6,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        settings: dict[str, Any] = {"hidden_size": hidden_size, "mlp_dim": mlp_dim, "num_layers": num_layers}
        self.net = ViT(
            in_channels,
            tuple(img_size),
            tuple(patch),
            num_heads=num_heads,
            dropout_rate=dropout,
            spatial_dims=spatial_dims,
            classification=False,
            **settings,
        )
        self.out_features = hidden_size

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[0]
