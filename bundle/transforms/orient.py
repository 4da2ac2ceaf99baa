"""Every eye drawn as a right eye."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from bundle.errors import InputError
from bundle.transforms.base import PresentKeysd, item_name


class OrientToRightEyed(PresentKeysd):
    """Mirror the examinations of a left eye, so that temporal is at the left in every item.

    A left eye is the mirror image of a right eye. With the last axis (A-scan of the volume, column of the
    photograph) flipped for OS, the network sees one anatomy: index 0 temporal, last index nasal, row 0 superior.

    Args:
        keys: tensors whose last axis runs from temporal to nasal in a right eye.
        eye_key: key that holds "OD" (left as it is) or "OS" (mirrored). Its value is not changed.
        allow_missing_keys: True skips an examination that the eye lacks.

    Raises:
        InputError: the eye is neither "OD" nor "OS".

    Example: `OrientToRightEyed(keys=["image", "fundus"])({"image": volume, "eye": "OS"})`
    """

    def __init__(self, keys: str | Sequence[str], eye_key: str = "eye", allow_missing_keys: bool = True) -> None:
        super().__init__(keys, allow_missing_keys)
        self.eye_key = eye_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        eye = data.get(self.eye_key)
        if eye not in ("OD", "OS"):
            raise InputError(
                f"{item_name(data)}: key {self.eye_key!r}: found {eye!r}, expected 'OD' or 'OS'; "
                "fill the manifest's column 'eye'"
            )
        if eye == "OS":
            for key in self.present(data):
                result[key] = data[key].flip(-1)
        return result
