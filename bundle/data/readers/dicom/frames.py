"""What a DICOM header says about each frame: its number, its spacing and where it lies.

An attribute is looked for in the functional groups, then at the top level, where files of one frame and many devices
put it (DICOM PS3.3, C.7.6.16).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pydicom

from bundle.data.readers.dicom.collector import collector_paused
from bundle.data.readers.dicom.functional_groups import (
    Values,
    first_of,
    floats_of,
    get,
    groups_of_frames,
    items_of,
    positive,
    top_values,
)
from bundle.data.readers.dicom.pixels import n_frames
from bundle.errors import InputError

_SCAN_PATTERNS = {"NONLINEAR": "circle or other curved", "TRANSVERSE": "en face"}


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
    top = top_values(dataset)
    return [_frame(top, groups) for groups in groups_of_frames(dataset)]


def _frame(dataset: Values, groups: Sequence[Values]) -> Frame:
    measures = [*items_of(groups, "PixelMeasuresSequence"), dataset]
    content = items_of(groups, "FrameContentSequence")
    numbered = [*content, dataset] if n_frames(dataset) == 1 else content
    number = (
        first_of(content, "InStackPositionNumber") if n_frames(dataset) > 1 else first_of(numbered, "InstanceNumber")
    )
    pixel_spacing = floats_of(first_of(measures, "PixelSpacing"), 2, "PixelSpacing")
    length = None if pixel_spacing is None else pixel_spacing[1] * int(dataset["Columns"])
    stack = first_of(content, "StackID")
    return Frame(
        number=None if number is None else int(number),
        stack=None if stack is None else str(stack),
        pixel_spacing_mm=None if pixel_spacing is None else (pixel_spacing[0], pixel_spacing[1]),
        between_mm=positive(first_of(measures, "SpacingBetweenSlices")),
        thickness_mm=positive(first_of(measures, "SliceThickness")),
        position=_position(dataset, groups, length),
        line=_line(groups),
    )


def _position(dataset: Values, groups: Sequence[Values], length: float | None) -> Place | None:
    top = [dataset] if n_frames(dataset) == 1 else []  # one position for many frames places none of them
    positions = [*items_of(groups, "PlanePositionSequence"), *top]
    orientations = [*items_of(groups, "PlaneOrientationSequence"), dataset]
    start = floats_of(first_of(positions, "ImagePositionPatient"), 3, "ImagePositionPatient")
    cosines = floats_of(first_of(orientations, "ImageOrientationPatient"), 6, "ImageOrientationPatient")
    if start is None or cosines is None:
        return None
    along, into = _directions(tuple(cosines))
    return Place(start=np.array(start), along=along, into=into, length=length)


@lru_cache(maxsize=16)
def _directions(cosines: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of increasing A-scan and depth; checked once for all frames that state the same."""
    both = np.reshape(cosines, (2, 3))
    both.setflags(write=False)  # many frames share it
    along, into = both
    if not (
        abs(np.linalg.norm(along) - 1) < 0.01 and abs(np.linalg.norm(into) - 1) < 0.01 and abs(along @ into) < 0.01
    ):
        raise InputError("found an ImageOrientationPatient that is no pair of unit vectors: export the scan again")
    return along, into


def _line(groups: Sequence[Values]) -> Place | None:
    """A B-scan's line on the fundus image: row 1, column 1, row 2, column 2 of ReferenceCoordinates."""
    locations = items_of(groups, "OphthalmicFrameLocationSequence")
    if not locations:
        return None
    pattern = str(get(locations[0], "OphthalmicImageOrientation") or "")
    coordinates = list(get(locations[0], "ReferenceCoordinates") or [])
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
    image = str(get(locations[0], "ReferencedSOPInstanceUID") or "")
    start, into = np.array([left, 0.0, -top]), np.array([0.0, 1.0, 0.0])
    return Place(start=start, along=along / length, into=into, length=length, image=image)
