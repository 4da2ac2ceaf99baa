"""Takes single values out of a DICOM header, refusing what is not what the standard says."""

from __future__ import annotations

import math

import pydicom

from bundle.errors import InputError


def first_item(dataset: pydicom.Dataset, keyword: str) -> pydicom.Dataset | None:
    """The only item of a sequence; None when the sequence is absent or empty. Raises InputError for several."""
    items = dataset.get(keyword) or []
    if isinstance(items, (str, bytes)) or len(items) > 1:
        raise InputError(f"found other than one item in {keyword}: export the file again")
    return items[0] if items else None


def number(dataset: pydicom.Dataset, keyword: str) -> float | None:
    """A finite number; None when the element is absent or empty. Raises InputError for text, NaN and several values."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    if isinstance(value, (str, bytes)) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"found no finite number in {keyword}: export the file again")
    return float(value)
