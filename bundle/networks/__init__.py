"""Encoders, fusion heads, the MD regressor and its training wrapper."""

from bundle.networks.fusion import ConcatFusion, CrossAttentionFusion, GatedFusion
from bundle.networks.monai_encoders import DenseNetEncoder, EfficientNetEncoder, ResNetEncoder, ViTEncoder
from bundle.networks.patch_stem import PatchStemEncoder
from bundle.networks.regressor import MDRegressor
from bundle.networks.spec import build
from bundle.networks.training_network import TrainingNetwork

__all__ = [
    "ConcatFusion",
    "CrossAttentionFusion",
    "DenseNetEncoder",
    "EfficientNetEncoder",
    "GatedFusion",
    "MDRegressor",
    "PatchStemEncoder",
    "ResNetEncoder",
    "TrainingNetwork",
    "ViTEncoder",
    "build",
]
