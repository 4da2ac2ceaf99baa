"""The functional groups of a multi-frame file: what is said of one frame, then of all, looked up fast.

pydicom takes long over a keyword, and over every nested sequence, and a volume has hundreds of frames with several of
both: what all frames share is looked up once, and what they repeat byte for byte is parsed once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from bundle.data.readers.dicom.pixels import n_frames
from bundle.errors import InputError

Values: TypeAlias = pydicom.Dataset | Mapping[str, Any]
Parsed: TypeAlias = dict[tuple[str, bytes], Sequence[pydicom.Dataset]]

_MACROS = (
    *("PixelMeasuresSequence", "FrameContentSequence", "PlanePositionSequence", "PlaneOrientationSequence"),
    "OphthalmicFrameLocationSequence",
)
_KEYWORDS = (
    *("NumberOfFrames", "Columns", "InstanceNumber", "InStackPositionNumber", "StackID", "PixelSpacing"),
    *("SpacingBetweenSlices", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient"),
    *("OphthalmicImageOrientation", "ReferenceCoordinates", "ReferencedSOPInstanceUID"),
)
_TAGS = {keyword: Tag(keyword) for keyword in (*_MACROS, *_KEYWORDS)}


def groups_of_frames(dataset: pydicom.Dataset) -> list[list[Values]]:
    """For each frame where to look, in this order: its own functional groups, then the shared ones.

    Raises InputError when the frames described are not as many as NumberOfFrames says.
    """
    n = n_frames(dataset)
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if own and len(own) != n:
        raise InputError(f"found {n} frames and the description of {len(own)}: damaged, export the scan again")
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    common = {macro: [top_values(items[0])] for macro in _MACROS if (items := get(shared, macro))}
    parsed: Parsed = {}
    return [[_own(own[i], parsed), common] if own else [common] for i in range(n)]


def top_values(dataset: pydicom.Dataset) -> Values:
    """The values that may stand outside of functional groups, each looked up once."""
    return {keyword: get(dataset, keyword) for keyword in _KEYWORDS}


def get(values: Values, keyword: str) -> Any:
    """As `values.get(keyword)`, for the keywords of this module."""
    if not isinstance(values, pydicom.Dataset):
        return values.get(keyword)
    tag = _TAGS[keyword]
    return values[tag].value if tag in values else None


def _own(group: pydicom.Dataset, parsed: Parsed) -> Values:
    found: dict[str, Any] = {}
    for macro in _MACROS:
        raw = group.get_item(_TAGS[macro])
        if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes):
            key = (macro, raw.value)
            if key not in parsed:
                parsed[key] = get(group, macro)
            found[macro] = parsed[key]
        elif raw is not None:
            found[macro] = get(group, macro)
    return found


def items_of(groups: Sequence[Values], macro: str) -> list[Values]:
    return [sequence[0] for group in groups if (sequence := get(group, macro))]


def first_of(places: Sequence[Values], keyword: str) -> Any:
    return next((value for place in places if (value := get(place, keyword)) not in (None, "")), None)


def floats_of(value: Any, n: int, keyword: str) -> list[float] | None:
    if value is None:
        return None
    numbers = [float(one) for one in value] if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(numbers) != n or not all(map(math.isfinite, numbers)):
        raise InputError(f"found a {keyword} that is not {n} numbers: correct it or export the scan again")
    return numbers


def positive(value: Any) -> float | None:
    """Zero is what devices write that do not know; NaN and negative numbers pass, for OctVolume to refuse."""
    return float(value) or None if value is not None else None
