"""Encoders, fusion heads, the MD regressor and its training wrapper."""

from bundle.networks.blank import BlankEncoder
from bundle.networks.evidential import NIGFusion
from bundle.networks.fusion import ConcatFusion, CrossAttentionFusion, GatedFusion
from bundle.networks.late_fusion import AverageFusion, SumFusion
from bundle.networks.monai_encoders import DenseNetEncoder, EfficientNetEncoder, ResNetEncoder, ViTEncoder
from bundle.networks.patch_stem import PatchStemEncoder
from bundle.networks.regressor import MDRegressor
from bundle.networks.shapley_network import ShapleyTrainingNetwork
from bundle.networks.spec import build
from bundle.networks.training_network import TrainingNetwork

__all__ = [
    "AverageFusion",
    "BlankEncoder",
    "ConcatFusion",
    "CrossAttentionFusion",
    "DenseNetEncoder",
    "EfficientNetEncoder",
    "GatedFusion",
    "MDRegressor",
    "NIGFusion",
    "PatchStemEncoder",
    "ResNetEncoder",
    "ShapleyTrainingNetwork",
    "SumFusion",
    "TrainingNetwork",
    "ViTEncoder",
    "build",
]
