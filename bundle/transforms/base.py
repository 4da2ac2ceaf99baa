"""What every transform of this package has in common: which keys it touches, and how a random range is written."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import MapTransform, RandomizableTransform

from bundle.errors import InputError

Range = float | Sequence[float]


def is_missing(value: Any) -> bool:
    """True for a tensor that stands for "this examination was not taken": its first value is NaN."""
    return isinstance(value, torch.Tensor) and value.is_floating_point() and bool(value[(0,) * value.ndim].isnan())


def as_range(value: Range, name: str, around: float = 0.0) -> tuple[float, float]:
    """A random range: one number r means `around - r` to `around + r`; a pair means low to high.

    Raises:
        InputError: a pair whose low exceeds its high, a negative single number, or more than two numbers.
    """
    if isinstance(value, (int, float)):
        if value < 0:
            raise InputError(f"{name}: found {value}, expected a number >= 0 (or a pair low, high)")
        return around - value, around + value
    pair = tuple(float(v) for v in value)
    if len(pair) != 2 or pair[0] > pair[1]:
        raise InputError(f"{name}: found {list(value)}, expected a number >= 0 or a pair [low, high], low <= high")
    return pair[0], pair[1]


def item_name(data: Mapping[Hashable, Any]) -> str:
    """The name of an eye in messages: its manifest row, never a patient's identifier."""
    return f"manifest row {data['row']}" if data.get("row") is not None else "item without a manifest row"


class PresentKeysd(MapTransform):
    """A dictionary transform that touches only the examinations an eye has.

    Args:
        keys: keys of the item to transform.
        allow_missing_keys: True (the default here, unlike MONAI's) skips a key that the item lacks, because an eye
            with only one of the two examinations is a regular item; False raises KeyError.
    """

    def __init__(self, keys: str | Sequence[str], allow_missing_keys: bool = True) -> None:
        super().__init__(keys, allow_missing_keys)

    def present(self, data: Mapping[Hashable, Any]) -> Iterator[Hashable]:
        """The keys to transform: in the item, and not filled with NaN in place of an examination not taken."""
        for key in self.key_iterator(data):
            if not is_missing(data[key]):
                yield key


class RandPresentKeysd(RandomizableTransform, PresentKeysd):
    """A random dictionary transform; a subclass writes `augment`, which draws from `self.R` alone.

    Every key is gated on its own with probability `prob`; gated out means returned as the same object.
    The input tensor is never written into, so a cached item stays as it is.

    Args:
        keys: keys of the item to transform.
        prob: probability of the change, 0 to 1.
        allow_missing_keys: as in `PresentKeysd`.
    """

    def __init__(self, keys: str | Sequence[str], prob: float, allow_missing_keys: bool = True) -> None:
        if not 0.0 <= prob <= 1.0:
            raise InputError(f"{type(self).__name__}: prob: found {prob}, expected a probability from 0 to 1")
        RandomizableTransform.__init__(self, prob)
        PresentKeysd.__init__(self, keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.present(data):
            self.randomize(None)
            if self._do_transform:
                result[key] = self.augment(data[key])
        return result

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        """The changed copy of one tensor."""
        raise NotImplementedError

    def uniform(self, bounds: tuple[float, float]) -> float:
        """One number drawn evenly between the two bounds."""
        return float(self.R.uniform(*bounds))
