"""From frames to a volume: what multi-frame files and series of single frames have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bundle.data.readers.dicom.arrangement import arrange
from bundle.data.readers.dicom.frames import Frame
from bundle.data.readers.dicom.spacing import spacing_of
from bundle.data.readers.records import OctVolume
from bundle.data.readers.sidecar import AXES, Sidecar
from bundle.errors import InputError


def build_volume(
    frames: Sequence[Frame],
    pixels: Callable[[], np.ndarray],
    *,
    sidecar: Sidecar,
    spacing_mm: tuple[float, float, float] | None,
    laterality: str | None,
    device: str | None,
) -> OctVolume:
    """The canonical volume of `frames`; spacing from `spacing_mm`, else the sidecar, else the frames.

    pixels: decodes (F, R, C) in the order of `frames`; called when nothing else is left that could refuse the scan.
    laterality: as the header states it; a sidecar may add it, and must not contradict it.
    """
    if sidecar.axes != AXES:
        raise InputError("sidecar: key axes does not apply to DICOM, which states its axes: remove it")
    if laterality and sidecar.laterality and laterality != sidecar.laterality:
        raise InputError(
            f"sidecar: found {sidecar.laterality}, the DICOM header says {laterality}: correct the sidecar"
        )
    arrangement = arrange(frames)
    spacing = spacing_mm or sidecar.spacing_mm or spacing_of(frames, arrangement)
    voxels = sidecar.orient(arrangement.apply(pixels()))
    return OctVolume(
        voxels=voxels, spacing_mm=spacing, laterality=laterality or sidecar.laterality, geometry="raster", device=device
    )
