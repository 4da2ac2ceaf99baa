"""Inference on every set of modalities at once."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer


class SubsetInferer(Inferer):
    """network.predict_subsets(...): (B, 3) in dB, from all that is present, from OCT alone, from fundus alone.

    Each encoder runs once. NaN where an eye lacks the modality.
    """

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        return network.predict_subsets(inputs, *args, **kwargs)
