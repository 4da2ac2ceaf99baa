"""The eyes that have a prediction."""

from __future__ import annotations

import torch
from torch import Tensor


def present_rows(pred: Tensor, label: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, label and weight of the eyes whose prediction is not NaN: three (N,) tensors, at least float32.

    Args:
        pred: predicted MD, dB, any shape, NaN for a missing modality.
        label: MD, dB, the shape of `pred`.
        weight: the shape of `pred`; ones when None.

    Raises:
        ValueError: the shapes differ (broadcasting would compare different eyes).
    """
    weight = torch.ones_like(label) if weight is None else weight
    for name, values in (("label", label), ("weight", weight)):
        if values.shape != pred.shape:
            raise ValueError(f"{name}: found {tuple(values.shape)}, expected the shape of pred {tuple(pred.shape)}")
    present = torch.logical_not(pred.isnan())
    dtype = torch.promote_types(pred.dtype, torch.float32)
    return pred[present].to(dtype), label[present].to(dtype), weight[present].to(dtype)
