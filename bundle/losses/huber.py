"""Huber's loss: squared for small errors, absolute for large ones."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import huber_loss

from bundle.losses.arguments import check_number
from bundle.losses.present import present_rows


class HuberLoss(nn.Module):
    """mean_i w_i H_d(e_i), e_i = (pred_i - label_i) / scale_db, d = delta_db / scale_db (Huber, 1964).

        H_d(e) = e^2 / 2 if |e| <= d, else d (|e| - d / 2)

    For a large delta this is half the squared error; for a small one delta times the absolute error. The severe eyes of
    a long tail then pull less at the weights.

    Args:
        scale_db: SD of the training labels, dB, > 0.
        delta_db: error at which the loss becomes linear, dB, > 0.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(self, scale_db: float, delta_db: float = 3.0) -> None:
        super().__init__()
        self.scale_db = check_number("scale_db", scale_db, 0, low_open=True, high_open=True)
        self.delta_db = check_number("delta_db", delta_db, 0, low_open=True, high_open=True)

    def forward(self, pred: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scalar loss over the eyes that have a prediction; 0 with a zero gradient without one.

        Args:
            pred: predicted MD, dB, any shape, NaN for a missing modality.
            label, weight: MD, dB, and w, the shape of `pred`; w is 1 when None.
        """
        p, t, w = present_rows(pred, label, weight)
        losses = huber_loss(p / self.scale_db, t / self.scale_db, reduction="none", delta=self.delta_db / self.scale_db)
        return (w * losses).sum() / max(1, len(p))
