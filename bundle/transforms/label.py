"""The Mean Deviation as a tensor."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch

from bundle.errors import InputError
from bundle.transforms.base import PresentKeysd, item_name


class LabelToTensord(PresentKeysd):
    """`item[key]`: Mean Deviation in dB as a number -> float32 tensor (1,) in dB.

    An eye without a visual field (key absent, None or NaN) gets NaN when `required` is False, as in prediction.

    Args:
        keys: the label's key.
        required: True refuses an eye without a finite label, as in training.
        allow_missing_keys: accepted for MONAI's sake; absence is ruled by `required`.

    Raises:
        InputError: not a number, infinite, or missing although required.

    Example: `LabelToTensord(keys="label")({"label": -3.2})["label"]`
    """

    def __init__(self, keys: str | Sequence[str] = "label", required: bool = False, allow_missing_keys: bool = True):
        super().__init__(keys, allow_missing_keys)
        self.required = required

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.keys:
            found = data.get(key)
            try:
                md_db = math.nan if found is None else float(found)
            except (TypeError, ValueError):
                md_db = math.inf
            if math.isinf(md_db) or (self.required and math.isnan(md_db)):
                raise InputError(
                    f"{item_name(data)}: key {key!r}: found {found!r}, expected the Mean Deviation as a number in dB"
                )
            result[key] = torch.tensor([md_db], dtype=torch.float32)
        return result
