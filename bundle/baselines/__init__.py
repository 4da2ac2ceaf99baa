"""Classical baselines: mean predictor, ridge on tabular columns, ridge on a photograph's principal components, both."""

from bundle.baselines.crossval import cross_validated_predictions
from bundle.baselines.features import PrincipalComponents, Standardise, StandardiseWithSquares, photograph_pixels
from bundle.baselines.ridge import MeanPredictor, RidgeBaseline

__all__ = [
    "MeanPredictor", "PrincipalComponents", "RidgeBaseline", "Standardise", "StandardiseWithSquares",
    "cross_validated_predictions", "photograph_pixels",
]  # fmt: skip
