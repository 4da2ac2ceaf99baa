"""What a DICOM header says about each frame: its number, its spacing and where it lies.

An attribute is looked for in the frame's own functional groups, then in the shared ones, then at the top level, where
files of one frame and many devices put it (DICOM PS3.3, C.7.6.16).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pydicom

from bundle.data.readers.dicom.collector import collector_paused
from bundle.data.readers.dicom.pixels import n_frames
from bundle.errors import InputError

Values: TypeAlias = pydicom.Dataset | Mapping[str, Any]

_SCAN_PATTERNS = {"NONLINEAR": "circle or other curved", "TRANSVERSE": "en face"}
_MACROS = (
    *("PixelMeasuresSequence", "FrameContentSequence", "PlanePositionSequence", "PlaneOrientationSequence"),
    "OphthalmicFrameLocationSequence",
)
_KEYWORDS = (
    *("NumberOfFrames", "Columns", "InstanceNumber", "InStackPositionNumber", "StackID", "PixelSpacing"),
    *("SpacingBetweenSlices", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient"),
    *("OphthalmicImageOrientation", "ReferenceCoordinates", "ReferencedSOPInstanceUID"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Place:
    """Where a B-scan lies, in axes that point to the patient's left, back and head (DICOM's patient axes).

    start: (3,) its first A-scan at depth 0. along, into: (3,) unit vectors of increasing A-scan and increasing depth.
    length: of the B-scan in the same unit as start, None if unknown.
    image: the fundus image in whose pixels start is measured, None for millimetres.
    """

    start: np.ndarray
    along: np.ndarray
    into: np.ndarray
    length: float | None
    image: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """One B-scan.

    number: its count in the stack (multi-frame) or series. stack: the name of its stack.
    pixel_spacing_mm: (depth, A-scan). between_mm: SpacingBetweenSlices. thickness_mm: SliceThickness.
    position: from patient coordinates. line: from its line on a fundus image. All None where the file does not say.
    """

    number: int | None
    stack: str | None
    pixel_spacing_mm: tuple[float, float] | None
    between_mm: float | None
    thickness_mm: float | None
    position: Place | None
    line: Place | None


@collector_paused()
def frames_of(dataset: pydicom.Dataset) -> list[Frame]:
    """The frames in stored order. Refuses a curved or en-face scan and a count that contradicts NumberOfFrames."""
    n = n_frames(dataset)
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if own and len(own) != n:
        raise InputError(f"found {n} frames and the description of {len(own)}: damaged, export the scan again")
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    # What all frames share is looked up once: pydicom takes long over a keyword, and there are hundreds of frames.
    common = {macro: [_values(items[0])] for macro in _MACROS if (items := shared.get(macro))}
    top = _values(dataset)
    return [_frame(top, [own[i], common] if own else [common]) for i in range(n)]


def _values(dataset: pydicom.Dataset) -> dict[str, Any]:
    return {keyword: dataset.get(keyword) for keyword in _KEYWORDS}


def _frame(dataset: Values, groups: Sequence[Values]) -> Frame:
    measures = [*_items(groups, "PixelMeasuresSequence"), dataset]
    content = _items(groups, "FrameContentSequence")
    numbered = [*content, dataset] if n_frames(dataset) == 1 else content
    number = _first(content, "InStackPositionNumber") if n_frames(dataset) > 1 else _first(numbered, "InstanceNumber")
    pixel_spacing = _floats(_first(measures, "PixelSpacing"), 2, "PixelSpacing")
    length = None if pixel_spacing is None else pixel_spacing[1] * int(dataset["Columns"])
    stack = _first(content, "StackID")
    return Frame(
        number=None if number is None else int(number),
        stack=None if stack is None else str(stack),
        pixel_spacing_mm=None if pixel_spacing is None else (pixel_spacing[0], pixel_spacing[1]),
        between_mm=_positive(_first(measures, "SpacingBetweenSlices")),
        thickness_mm=_positive(_first(measures, "SliceThickness")),
        position=_position(dataset, groups, length),
        line=_line(groups),
    )


def _items(groups: Sequence[Values], macro: str) -> list[Values]:
    return [sequence[0] for group in groups if (sequence := group.get(macro))]


def _first(places: Sequence[Values], keyword: str) -> Any:
    return next((value for place in places if (value := place.get(keyword)) not in (None, "")), None)


def _floats(value: Any, n: int, keyword: str) -> list[float] | None:
    if value is None:
        return None
    numbers = [float(one) for one in value] if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(numbers) != n or not all(map(math.isfinite, numbers)):
        raise InputError(f"found a {keyword} that is not {n} numbers: correct it or export the scan again")
    return numbers


def _positive(value: Any) -> float | None:
    """Zero is what devices write that do not know; NaN and negative numbers pass, for OctVolume to refuse."""
    return float(value) or None if value is not None else None


def _position(dataset: Values, groups: Sequence[Values], length: float | None) -> Place | None:
    top = [dataset] if n_frames(dataset) == 1 else []  # one position for many frames places none of them
    positions = [*_items(groups, "PlanePositionSequence"), *top]
    orientations = [*_items(groups, "PlaneOrientationSequence"), dataset]
    start = _floats(_first(positions, "ImagePositionPatient"), 3, "ImagePositionPatient")
    cosines = _floats(_first(orientations, "ImageOrientationPatient"), 6, "ImageOrientationPatient")
    if start is None or cosines is None:
        return None
    along, into = np.reshape(cosines, (2, 3))
    if not (
        abs(np.linalg.norm(along) - 1) < 0.01 and abs(np.linalg.norm(into) - 1) < 0.01 and abs(along @ into) < 0.01
    ):
        raise InputError("found an ImageOrientationPatient that is no pair of unit vectors: export the scan again")
    return Place(start=np.array(start), along=along, into=into, length=length)


def _line(groups: Sequence[Values]) -> Place | None:
    """A B-scan's line on the fundus image: row 1, column 1, row 2, column 2 of ReferenceCoordinates."""
    locations = _items(groups, "OphthalmicFrameLocationSequence")
    if not locations:
        return None
    pattern = str(locations[0].get("OphthalmicImageOrientation") or "")
    coordinates = list(locations[0].get("ReferenceCoordinates") or [])
    if pattern in _SCAN_PATTERNS or (coordinates and coordinates[:2] == coordinates[-2:]):
        kind = _SCAN_PATTERNS.get(pattern, "circle")
        raise InputError(f"found a {kind} scan, expected a raster of parallel B-scans: export the volume scan")
    if len(coordinates) != 4:
        return None
    top, left, bottom, right = map(float, coordinates)
    along = np.array([right - left, 0.0, top - bottom])
    length = float(np.linalg.norm(along))
    if not 0 < length < np.inf:
        raise InputError("found a B-scan whose place on the fundus image is no line: export the scan again")
    image = str(locations[0].get("ReferencedSOPInstanceUID") or "")
    start, into = np.array([left, 0.0, -top]), np.array([0.0, 1.0, 0.0])
    return Place(start=start, along=along / length, into=into, length=length, image=image)
