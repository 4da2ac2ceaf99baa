"""What leaves the pipeline: plain tensors of known shapes, an examination not taken as NaN."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform

from bundle.errors import InputError
from bundle.transforms.base import RandPresentKeysd, is_missing, item_name


class FillMissingModalityd(Transform):
    """Check the shapes, put NaN in place of an examination not taken, and drop what a batch does not need.

    The result holds the keys of `shapes` as plain contiguous `torch.float32` tensors (never a MetaTensor) and, of
    `keep`, those that the item has; `row` becomes an int. Nothing else is left, so that items of any kind collate.
    A tensor full of NaN is how the network learns that an examination is missing.

    Args:
        shapes: key -> shape of one item, in the order (channel, ...).
        keep: further keys to let through.

    Raises:
        InputError: another shape than the network's, a value that is not finite, or an eye without any examination.

    Example: `FillMissingModalityd(shapes={"image": [1, 16, 48, 32], "fundus": [3, 64, 64]})`
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]], keep: Sequence[str] = ("label", "row")) -> None:
        self.shapes = {key: tuple(int(n) for n in shape) for key, shape in shapes.items()}
        self.keep = tuple(keep)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result: dict[Hashable, Any] = {}
        for key, shape in self.shapes.items():
            if key in data and not is_missing(data[key]):
                result[key] = self._plain(data, key, shape)
            else:
                result[key] = torch.full(shape, torch.nan)
        if all(is_missing(x) for x in result.values()):
            raise InputError(f"{item_name(data)}: found none of {list(self.shapes)}, expected at least one examination")
        for key in self.keep:
            if key in data:
                result[key] = int(data[key]) if key == "row" else data[key]
        return result

    @staticmethod
    def _plain(data: Mapping[Hashable, Any], key: str, shape: tuple[int, ...]) -> torch.Tensor:
        found = torch.as_tensor(data[key])
        if tuple(found.shape) != shape:
            raise InputError(
                f"{item_name(data)}: key {key!r}: found a tensor of shape {tuple(found.shape)}, expected {shape}; "
                "make the grid of the transforms and the shape of the network agree in the config"
            )
        if not torch.isfinite(found).all():
            raise InputError(f"{item_name(data)}: key {key!r}: found NaN or infinite values, expected finite ones")
        return found.as_subclass(torch.Tensor).to(torch.float32).contiguous()


class RandModalityDropoutd(RandPresentKeysd):
    """Pretend that one examination was not taken, so that the network learns to do with the other.

    With probability `prob` one of the two examinations, each equally likely, becomes NaN. An eye that has only one
    keeps it.

    Args:
        keys: the two examinations.
        prob: probability of losing one; 0 (the default) never.
        allow_missing_keys: True lets an eye with one key pass.

    Example: `RandModalityDropoutd(keys=["image", "fundus"], prob=0.2)`
    """

    def __init__(self, keys: Sequence[str], prob: float = 0.0, allow_missing_keys: bool = True) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        if len(self.keys) != 2:
            raise InputError(f"RandModalityDropoutd: keys: found {list(self.keys)}, expected two examinations")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        self.randomize(None)
        lost = self.keys[int(self.R.randint(2))]
        if self._do_transform and len(list(self.present(data))) == 2:
            result[lost] = torch.full_like(data[lost], torch.nan)
        return result
