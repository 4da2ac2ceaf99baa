"""Brings B-scans into the canonical order, or says why they are no raster.

The places of the B-scans decide, never the stored order: patient coordinates where the file has them, else the lines
on the fundus image. DICOM's patient axes point to the patient's left (x), back (y) and head (z), and a photograph shows
the patient's right at its left edge: superior first is falling z, vitreous first is rising y, left edge first is rising
x. Coordinates whose depth does not run along y are a device's own: they order the B-scans, but say nothing of up and
left. Then, and without places, the number in the stack or series gives the direction, else the stored order, and the
first B-scan is taken for the superior one. The sidecar's "reverse" corrects a device that states otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bundle.data.readers.dicom.frames import Frame, Place
from bundle.data.readers.records import MIN_BSCANS
from bundle.errors import InputError

_SAME_DIRECTION = np.cos(np.deg2rad(3.0))  # eye tracking turns single B-scans by less
_ANATOMICAL = 0.8  # cosine of 37 degrees: beyond, an axis of the scan is none of the patient's
_UNEVEN = 0.5  # of the step: a missing B-scan doubles it
_SAME_PLACE_MM = 1e-3
_SHIFT = 0.1  # of a B-scan's length, along it


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """How stored frames become a canonical volume.

    order: stored indices, first to last. flips: of (B-scan, depth, A-scan), after ordering.
    vertical: the B-scans run from top to bottom of the eye, so that B-scan and A-scan axes change places.
    step_mm: between neighbouring B-scans by their positions, None if unknown.
    """

    order: tuple[int, ...]
    flips: tuple[bool, bool, bool] = (False, False, False)
    vertical: bool = False
    step_mm: float | None = None

    def apply(self, frames: np.ndarray) -> np.ndarray:
        """(B-scan, depth, A-scan) in canonical direction, of (F, R, C) in stored order."""
        axes = tuple(axis for axis, flip in enumerate(self.flips) if flip)
        ordered = np.flip(_taken(frames, self.order), axes)
        return ordered.swapaxes(0, 2) if self.vertical else ordered

    def spacing_mm(self, between_mm: float, pixel_mm: tuple[float, float]) -> tuple[float, float, float]:
        """Spacing of what `apply` returns; pixel_mm: (depth, A-scan) as stored."""
        depth_mm, ascan_mm = pixel_mm
        return (ascan_mm, depth_mm, between_mm) if self.vertical else (between_mm, depth_mm, ascan_mm)


def _taken(frames: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """`frames[order]`; a view where they are all frames, forwards or backwards, as a copy of 40 MB takes long."""
    forwards = list(range(len(frames)))
    if list(order) == forwards:
        return frames
    return frames[::-1] if list(order) == forwards[::-1] else frames[list(order)]


def arrange(frames: Sequence[Frame]) -> Arrangement:
    """Raises InputError for several stacks and for B-scans that are not parallel, evenly spaced and side by side."""
    if len(frames) < MIN_BSCANS:
        raise InputError(
            f"found a DICOM scan of {len(frames)} B-scans, expected a raster of at least {MIN_BSCANS}: "
            "where each file holds one B-scan, name the folder that holds them all"
        )
    stacks = {frame.stack for frame in frames}
    if len(stacks) > 1:
        raise InputError(f"found {len(stacks)} stacks of B-scans in one file, expected one: export each scan by itself")
    places = _places(frames)
    if places is None:
        return Arrangement(order=_by_number(frames))
    offsets = _offsets(places)
    order = np.argsort(offsets, kind="stable")
    _require_number_order(frames, order)
    step_mm = float(np.ptp(offsets)) / (len(frames) - 1) if places[0].image is None else None
    if abs(places[0].into[1]) < _ANATOMICAL:
        numbers = np.empty(len(frames))
        numbers[list(_by_number(frames))] = np.arange(len(frames))
        forward = numbers[order[0]] < numbers[order[-1]]
        return Arrangement(order=tuple(order if forward else order[::-1]), step_mm=step_mm)
    return _anatomical(places[0], order, step_mm)


def _places(frames: Sequence[Frame]) -> list[Place] | None:
    """A place for every frame, or None: some have none, or lie on different images."""
    for places in ([f.position for f in frames], [f.line for f in frames]):
        known = [place for place in places if place is not None]
        if len(known) == len(frames) and len({place.image for place in known}) == 1:
            return known
    return None


def _by_number(frames: Sequence[Frame]) -> tuple[int, ...]:
    """Stored indices by number; stored order where numbers are absent or repeated."""
    numbers = [frame.number for frame in frames]
    if None in numbers or len(set(numbers)) < len(numbers):
        return tuple(range(len(frames)))
    return tuple(sorted(range(len(frames)), key=lambda i: numbers[i] or 0))


def _require_number_order(frames: Sequence[Frame], order: np.ndarray) -> None:
    numbers = [frames[i].number for i in order]
    if None in numbers or len(set(numbers)) < len(numbers):
        return
    steps = np.diff(np.array(numbers, dtype=np.int64))
    if not ((steps > 0).all() or (steps < 0).all()):
        raise InputError("found B-scans whose numbers contradict their positions: export the scan again")


def _offsets(places: Sequence[Place]) -> np.ndarray:
    """(F,) places of the B-scans across their common direction, toward the head for canonical B-scans."""
    n, first = len(places), places[0]
    starts = np.array([place.start for place in places])
    cosines = np.array([[place.along @ first.along, place.into @ first.into] for place in places])
    if cosines.min() < _SAME_DIRECTION:
        raise InputError(f"found {_pattern(places)} of {n} B-scans, which is no raster: export the volume scan")
    offsets = starts @ np.cross(first.along, first.into)
    step = np.ptp(offsets) / (n - 1)
    slack = 1.01 if first.image else 0.0  # of the fundus image's pixels, to which a device may round
    gaps = np.diff(np.sort(offsets))
    if not np.ptp(offsets) > max(slack, _SAME_PLACE_MM):
        raise InputError(f"found {n} B-scans in the same place, which is no raster: export the volume scan")
    if np.abs(gaps - step).max() > max(_UNEVEN * step, slack):
        raise InputError(f"found {n} B-scans at uneven distances, is one missing or doubled? Export the scan again")
    if first.length is not None and np.ptp(starts @ first.along) > _SHIFT * first.length + slack:
        raise InputError(f"found {n} B-scans that do not lie side by side, which is no raster: export the volume scan")
    return offsets


def _pattern(places: Sequence[Place]) -> str:
    """ "a radial scan" when lines of different directions share their centre."""
    lengths = [place.length or np.nan for place in places]
    centres = np.array([p.start + p.along * length / 2 for p, length in zip(places, lengths, strict=True)])
    spread = np.linalg.norm(centres - centres.mean(0), axis=1).max()
    return "a radial scan" if spread < _SHIFT * min(lengths) else "a scan in several directions"


def _anatomical(place: Place, order: np.ndarray, step_mm: float | None) -> Arrangement:
    """Flips that bring B-scans, ordered toward `along` x `into`, to falling z, rising y and rising x."""
    toward = np.cross(place.along, place.into)
    if max(abs(place.along[0]), abs(place.along[2])) < _ANATOMICAL:
        raise InputError("found oblique B-scans, expected horizontal or vertical ones: export another volume scan")
    vertical = bool(abs(place.along[2]) > abs(place.along[0]))
    bscan, ascan = (toward[0], -place.along[2]) if vertical else (-toward[2], place.along[0])
    flips = (bool(bscan < 0), bool(place.into[1] < 0), bool(ascan < 0))
    return Arrangement(order=tuple(order), flips=flips, vertical=vertical, step_mm=step_mm)
