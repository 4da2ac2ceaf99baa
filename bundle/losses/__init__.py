"""Losses: one concept a file."""

from bundle.losses.balanced_mse import BalancedMSELoss
from bundle.losses.binned import BinnedContrastiveLoss
from bundle.losses.blended import BlendedRegressionLoss
from bundle.losses.conr import ContrastiveRegularizerLoss
from bundle.losses.conr_objective import MultimodalConRLoss
from bundle.losses.contrastive import AdaptiveMarginContrastiveLoss
from bundle.losses.criterion import MultimodalCriterionLoss
from bundle.losses.density import LabelDensity
from bundle.losses.evidential import EvidentialRegressionLoss
from bundle.losses.feature_smoothing import FeatureSmoothing
from bundle.losses.gradient_aligned import GradientAlignedLoss
from bundle.losses.histogram_weight import HistogramWeight
from bundle.losses.huber import HuberLoss
from bundle.losses.multimodal import MultimodalRegressionLoss
from bundle.losses.prototype_memory import PrototypeMemory
from bundle.losses.prototypes import PrototypeLoss
from bundle.losses.queue import FeatureQueue
from bundle.losses.ranksim import RankSimilarityLoss
from bundle.losses.reconboost import ReconBoostLoss
from bundle.losses.regression import WeightedMSELoss
from bundle.losses.sample_weight import RarityWeight, SampleWeight, UniformWeight

__all__ = [
    "AdaptiveMarginContrastiveLoss",
    "BalancedMSELoss",
    "BinnedContrastiveLoss",
    "BlendedRegressionLoss",
    "ContrastiveRegularizerLoss",
    "EvidentialRegressionLoss",
    "FeatureQueue",
    "FeatureSmoothing",
    "GradientAlignedLoss",
    "HistogramWeight",
    "HuberLoss",
    "LabelDensity",
    "MultimodalConRLoss",
    "MultimodalCriterionLoss",
    "MultimodalRegressionLoss",
    "PrototypeLoss",
    "PrototypeMemory",
    "RankSimilarityLoss",
    "RarityWeight",
    "ReconBoostLoss",
    "SampleWeight",
    "UniformWeight",
    "WeightedMSELoss",
]
