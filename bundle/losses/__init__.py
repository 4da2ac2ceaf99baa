"""Losses: one concept a file."""

from bundle.losses.contrastive import AdaptiveMarginContrastiveLoss
from bundle.losses.density import LabelDensity
from bundle.losses.multimodal import MultimodalRegressionLoss
from bundle.losses.queue import FeatureQueue
from bundle.losses.regression import WeightedMSELoss
from bundle.losses.sample_weight import RarityWeight, SampleWeight, UniformWeight

__all__ = [
    "AdaptiveMarginContrastiveLoss",
    "FeatureQueue",
    "LabelDensity",
    "MultimodalRegressionLoss",
    "RarityWeight",
    "SampleWeight",
    "UniformWeight",
    "WeightedMSELoss",
]
