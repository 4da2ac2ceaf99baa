"""The distances between voxels, from what the frames state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bundle.data.readers.dicom.arrangement import Arrangement
from bundle.data.readers.dicom.frames import Frame
from bundle.data.readers.sidecar import EXAMPLE
from bundle.errors import InputError

_VARIES = 0.01  # of the spacing
_CONTRADICTS = 0.1
_ADVICE = f"write it into a sidecar beside the scan (oct.json in a folder), such as {EXAMPLE}"


def spacing_of(frames: Sequence[Frame], arrangement: Arrangement) -> tuple[float, float, float]:
    """(B-scan, depth, A-scan) of the arranged volume.

    Between B-scans: SpacingBetweenSlices, else the step between positions, else SliceThickness.
    DepthSpatialResolution and its like are not used: they state what the optics resolve, not where voxels lie.
    Raises InputError when spacing is absent, varies from frame to frame, or contradicts the positions.
    """
    depth_mm = _common((f.pixel_spacing_mm and f.pixel_spacing_mm[0] for f in frames), "in depth")
    ascan_mm = _common((f.pixel_spacing_mm and f.pixel_spacing_mm[1] for f in frames), "between A-scans")
    stated, step = _common((f.between_mm for f in frames), "between B-scans"), arrangement.step_mm
    if stated and step and abs(stated - step) > _CONTRADICTS * step:
        raise InputError(
            f"found B-scans {stated:g} mm apart by SpacingBetweenSlices and {step:g} mm by their positions: "
            f"find out which is right and {_ADVICE}"
        )
    between_mm = stated or step or _common((f.thickness_mm for f in frames), "between B-scans")
    if depth_mm is None or ascan_mm is None or between_mm is None:
        missing = "between B-scans" if between_mm is None and depth_mm is not None else "of its pixels"
        raise InputError(f"found no spacing {missing} in the DICOM header: {_ADVICE}")
    bscan, depth, ascan = arrangement.spacing_mm(between_mm, (depth_mm, ascan_mm))
    return round(bscan, 9), round(depth, 9), round(ascan, 9)


def _common(values: Iterable[float | None], where: str) -> float | None:
    """The value that all frames share; None where they state none."""
    stated = list(values)
    known = [value for value in stated if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    if len(known) < len(stated) or high - low > _VARIES * abs(high):
        raise InputError(
            f"found a spacing {where} that varies from frame to frame ({low:g} to {high:g} mm), expected a raster of "
            "one spacing: export the volume scan"
        )
    return known[0]
