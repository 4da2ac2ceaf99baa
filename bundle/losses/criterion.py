"""The regression part of the objective with a criterion other than the squared error."""

from __future__ import annotations

from torch import nn

from bundle.losses.multimodal import MultimodalRegressionLoss


class MultimodalCriterionLoss(MultimodalRegressionLoss):
    """L = c(yhat) + beta * sum_m c(yhat_m), where c takes the place of the squared error of the parent class.

    What the trainer measures (`errors`, the e_m and S_m of the method) stays the squared error.

    Args:
        criterion: called as criterion(pred, label, weight) -> scalar, tensors (B, 1) in dB, `pred` NaN in the rows of
            a missing modality: the interface of `WeightedMSELoss`, with which this class is its parent.
        scale_db: s of the squared error, dB.
        unimodal_weight: beta, see `MultimodalRegressionLoss`.
    """

    def __init__(self, criterion: nn.Module, scale_db: float, unimodal_weight: float = 0.5) -> None:
        super().__init__(scale_db, unimodal_weight)
        self.criterion = criterion
