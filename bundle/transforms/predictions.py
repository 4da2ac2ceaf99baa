"""Splits the network's three answers into named entries."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform


class SplitSubsetsd(MapTransform):
    """`pred` (3,) in dB -> `pred` (1,) from all modalities present, `pred_oct` (1,), `pred_fundus` (1,).

    Postprocessing for `bundle.engines.subset_inferer.SubsetInferer`, on decollated items.
    """

    def __init__(self, keys: KeysCollection = "pred", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        for key in self.key_iterator(item):
            answers = item[key]
            item[key], item[f"{key}_oct"], item[f"{key}_fundus"] = answers[0:1], answers[1:2], answers[2:3]
        return item
