"""Small networks of every kind: encoders of an OCT of `GRID` voxels and a photograph of `SIZE` pixels, and fusions."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from bundle.networks import (
    ConcatFusion,
    CrossAttentionFusion,
    DenseNetEncoder,
    EfficientNetEncoder,
    GatedFusion,
    PatchStemEncoder,
    ResNetEncoder,
    ViTEncoder,
)

GRID, SIZE = (16, 32, 32), 32
ENCODERS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "patch_stem": (lambda: PatchStemEncoder(3, 1, [2, 4, 2], (4, 8)), lambda: PatchStemEncoder(2, 3, [4, 4], (4, 8))),
    "resnet": (
        lambda: ResNetEncoder(3, 1, depth=10, widen=0.125, conv1_t_size=[3, 7, 7], conv1_t_stride=[1, 2, 2]),
        lambda: ResNetEncoder(2, 3, depth=10, widen=0.125, norm=["group", {"num_groups": 4}]),
    ),
    "densenet": (
        lambda: DenseNetEncoder(3, 1, init_features=8, growth_rate=4, block_config=[2, 2]),
        lambda: DenseNetEncoder(2, 3, init_features=8, growth_rate=4, block_config=[2, 2]),
    ),
    "efficientnet": (lambda: PatchStemEncoder(3, 1, [2, 4, 2], (4, 8)), lambda: EfficientNetEncoder(2, 3)),
    "vit": (
        lambda: ViTEncoder(3, 1, GRID, [8, 16, 16], hidden_size=24, mlp_dim=32, num_layers=2, num_heads=2),
        lambda: ViTEncoder(2, 3, [SIZE, SIZE], [16, 16], hidden_size=16, mlp_dim=32, num_layers=2, num_heads=2),
    ),
}
FUSIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "concat": lambda o, f: ConcatFusion(o, f, hidden=8),
    "linear": lambda o, f: ConcatFusion(o, f, hidden=0),
    "gated": lambda o, f: GatedFusion(o, f, width=12, hidden=8),
    "attention": lambda o, f: CrossAttentionFusion(o, f, width=12, num_heads=2, hidden=8),
}
