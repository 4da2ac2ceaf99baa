"""The named metrics for an ignite or MONAI evaluator, over an epoch and over all ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.exceptions import NotComputableError
from ignite.metrics import Metric
from ignite.metrics.metric import reinit__is_reduced

from bundle.metrics.names import named_metric

Values = torch.Tensor | Sequence[torch.Tensor | float]


def _flat(values: Values) -> list[float]:
    """One number an eye, as plain floats: from (B,), (B, 1), or a list of one-element tensors or numbers."""
    batch = [values] if isinstance(values, torch.Tensor) else [torch.as_tensor(value) for value in values]
    for tensor in batch:
        if tensor.ndim > 0 and tensor.numel() != len(tensor):
            raise ValueError(f"RegressionMetric: found shape {tuple(tensor.shape)}, expected one number an eye")
    return [number for tensor in batch for number in tensor.detach().double().reshape(-1).tolist()]


class RegressionMetric(Metric):
    """One metric of `bundle.metrics.METRICS` over all labelled eyes of an epoch, in dB (or dB^2, or without unit).

    Every prediction is kept until the epoch's end and gathered from all ranks, so the figure is that of the whole
    set, not a mean of batches or ranks, which would be wrong for RMSE, R2, CCC and balanced MSE. A sampler that
    repeats eyes to make ranks even makes them count twice: use MONAI's `DistributedSampler(even_divisible=False)`.

    Args:
        name: mse, rmse, mae, bias, r2, pearson, ccc or balanced_mse.
        output_transform: from the engine's output to (y_pred, y), each a tensor (B,) or (B, 1) or a list of one-element
            tensors, as `monai.handlers.from_engine(["pred", "label"])` gives.
        skip_missing_pred: leave out eyes whose prediction is NaN. Only for a single modality's prediction, where NaN
            says that the eye has no such image; otherwise NaN is a failure and must be seen.
        nan_without_pred: with `skip_missing_pred`, no prediction at all gives NaN: the network lacks that modality.
        device: kept for ignite's interface; the numbers are held as Python floats.

    Eyes with a NaN label are left out. In a config:

        key_metric:
          val_mse:
            _target_: bundle.metrics.ignite_metric.RegressionMetric
            name: mse
            output_transform: "$monai.handlers.from_engine(['pred', 'label'])"

    Raises:
        InputError: an unknown name.
        NotComputableError: at the epoch's end, when no eye had a label (and a prediction, with `skip_missing_pred`).
        ValueError: more than one number an eye; predictions and labels differ in number; a prediction is not finite.
    """

    def __init__(
        self,
        name: str = "mse",
        output_transform: Callable[[Any], Any] = lambda output: output,
        skip_missing_pred: bool = False,
        nan_without_pred: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        self._metric = named_metric(name)
        self.name = name
        self.skip_missing_pred, self.nan_without_pred = skip_missing_pred, nan_without_pred
        super().__init__(output_transform=output_transform, device=device)

    @reinit__is_reduced
    def reset(self) -> None:
        """Forget the eyes seen so far."""
        self._pred_db: list[float] = []
        self._label_db: list[float] = []

    @reinit__is_reduced
    def update(self, output: tuple[Values, Values]) -> None:
        """Add one batch."""
        pred, label = _flat(output[0]), _flat(output[1])
        if len(pred) != len(label):
            raise ValueError(f"RegressionMetric: {len(pred)} predictions for {len(label)} labels, expected as many")
        self._pred_db += pred
        self._label_db += label

    def compute(self) -> float:
        """The metric over the eyes of all ranks; the same number on each rank."""
        ranks = [(self._pred_db, self._label_db)]
        if idist.get_world_size() > 1:
            ranks = idist.all_gather(ranks[0])  # as objects: ranks may hold different numbers of eyes, even none
        pred = np.array([value for rank in ranks for value in rank[0]])
        label = np.array([value for rank in ranks for value in rank[1]])
        keep = ~np.isnan(label)
        if self.skip_missing_pred:
            keep &= ~np.isnan(pred)
        if not keep.any():
            if self.skip_missing_pred and self.nan_without_pred and np.isnan(pred).all():
                return float("nan")
            raise NotComputableError(f"metric '{self.name}': none of {label.size} eyes has a label and a prediction")
        return self._metric(pred[keep], label[keep])
