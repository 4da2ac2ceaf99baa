"""Squared error in standardised units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bundle.losses.arguments import check_number


class WeightedMSELoss(nn.Module):
    """mean_i w_i ((pred_i - label_i) / scale_db)^2 over the eyes that have a prediction.

    A unimodal head has no prediction for an eye whose image is missing: its row is NaN, and the eye is left out of
    sum and count, value and gradient alike. The mean is over eyes, not over weights: doubling the weights doubles the
    loss. A NaN label is not masked: the loss is NaN, so that the error is seen.

    Args:
        scale_db: SD of the training labels, dB, > 0.

    Raises:
        InputError: `scale_db` is not a positive number.

    Example:
        >>> loss = WeightedMSELoss(scale_db=2.0)
        >>> loss(torch.tensor([[-3.0], [float("nan")]]), torch.tensor([[-5.0], [-1.0]]))
        tensor(1.)
    """

    def __init__(self, scale_db: float) -> None:
        super().__init__()
        self.scale_db = check_number("scale_db", scale_db, 0, low_open=True, high_open=True)

    def forward(self, pred: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scalar loss, at least float32; 0 with a zero gradient where no row has a prediction.

        Args:
            pred: predicted MD, dB, any shape, NaN for a missing modality.
            label: MD, dB, the shape of `pred`.
            weight: w, the shape of `pred`; 1 when None.

        Raises:
            ValueError: the shapes differ (broadcasting would average over pairs of different eyes).
        """
        for name, values in (("label", label), ("weight", weight)):
            if values is not None and values.shape != pred.shape:
                raise ValueError(f"{name}: found {tuple(values.shape)}, expected the shape of pred {tuple(pred.shape)}")
        pred = pred.to(torch.promote_types(pred.dtype, torch.float32))
        present = ~pred.isnan()
        # Selecting before the arithmetic keeps NaN out of the gradient: 0 * NaN is NaN.
        error = torch.where(present, pred, torch.zeros_like(pred)) - label.to(pred.dtype)
        squared = torch.where(present, (error / self.scale_db) ** 2, torch.zeros_like(error))
        if weight is not None:
            squared = squared * weight.to(pred.dtype)
        return squared.sum() / present.sum().clamp_min(1)
