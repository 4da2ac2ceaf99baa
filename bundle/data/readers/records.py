"""What every reader returns: a volume or a photograph that is fit for use, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bundle.data.examination import EYES
from bundle.errors import InputError

MIN_BSCANS = 4  # fewer are single lines, not a raster of the retina
MIN_SIDE_PIXELS = 16
MAX_VOXELS = 2**28  # 512 B-scans of 512 A-scans of 1024 pixels: twice the densest clinical raster
MAX_BYTES = 2**30
_EN_FACE_MM = (0.1, 100.0)  # no OCT covers less or more; outside, the spacing is in another unit
_DEPTH_MM = (0.05, 30.0)


@dataclass(frozen=True, kw_only=True)
class OctVolume:
    """An OCT raster.

    voxels: (B-scan, depth, A-scan), uint8, uint16 or float32, finite, not constant; index 0 is superior, vitreous and
        the left edge as the fundus photograph shows it (temporal in a right eye, nasal in a left one).
    spacing_mm: distance of neighbouring voxels along the same axes; depth must be the smallest.
    laterality: "OD", "OS", or None when the file does not say.
    geometry: how the B-scans lie; only "raster" is a volume.
    device: manufacturer and model, None when the file does not say; never a serial number.
    Raises InputError when any of this does not hold.
    """

    voxels: np.ndarray = field(repr=False)
    spacing_mm: tuple[float, float, float]
    laterality: str | None = None
    geometry: str = "raster"
    device: str | None = None

    def __post_init__(self) -> None:
        if self.geometry != "raster":
            raise InputError(f"found a {self.geometry} scan, expected a raster of parallel B-scans: export the volume")
        voxels = self.voxels
        if voxels.ndim != 3:
            raise InputError(f"found {voxels.ndim} dimensions {voxels.shape}, expected 3 (B-scan, depth, A-scan)")
        if voxels.dtype not in (np.uint8, np.uint16, np.float32):
            raise InputError(f"found voxels of type {voxels.dtype}, expected uint8, uint16 or float32: convert them")
        if voxels.shape[0] < MIN_BSCANS:
            raise InputError(f"found {voxels.shape[0]} B-scans, expected a raster of at least {MIN_BSCANS}")
        if min(voxels.shape) < 2:
            raise InputError(f"found the shape {voxels.shape}, expected at least 2 voxels along every axis")
        _check_values(voxels, "voxels")
        _check_spacing(voxels.shape, self.spacing_mm)
        _check_laterality(self.laterality)


@dataclass(frozen=True, kw_only=True)
class FundusImage:
    """A fundus photograph.

    pixels: (H, W, 3) uint8 RGB, row 0 superior; left and right as a photograph of the eye shows them.
    laterality: "OD", "OS", or None when the file does not say.
    conversions: what was changed while reading (grey to RGB, EXIF rotation), for the log.
    Raises InputError when the pixels are of another shape or type, constant, or smaller than 16 x 16.
    """

    pixels: np.ndarray = field(repr=False)
    laterality: str | None = None
    conversions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise InputError(f"found {pixels.dtype} pixels {pixels.shape}, expected 8-bit RGB (H, W, 3)")
        height, width, _ = pixels.shape
        if min(height, width) < MIN_SIDE_PIXELS:
            raise InputError(f"found {width} x {height} pixels, expected at least {MIN_SIDE_PIXELS} a side")
        _check_values(pixels, "pixels")
        _check_laterality(self.laterality)


def _check_values(values: np.ndarray, what: str) -> None:
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):  # min and max carry nan and inf
        raise InputError(f"found {what} that are NaN or infinite, expected finite ones: export the scan again")
    if low == high:
        raise InputError(f"found a blank image, all {what} are {low}, expected a scan: export it again")


def _check_spacing(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> None:
    if len(spacing_mm) != 3 or not all(np.isfinite(mm) and mm > 0 for mm in spacing_mm):
        raise InputError(f"found a spacing of {spacing_mm} mm, expected three positive numbers (B-scan, depth, A-scan)")
    bscan_mm, depth_mm, ascan_mm = spacing_mm
    if depth_mm >= min(bscan_mm, ascan_mm):
        raise InputError(
            f"found a spacing of {bscan_mm:g} x {depth_mm:g} x {ascan_mm:g} mm (B-scan, depth, A-scan), expected depth "
            "to be the smallest: the axes are in another order or the spacing is a placeholder; "
            'state both in a sidecar, such as {"axes": ["ascan", "depth", "bscan"], "spacing_mm": [0.03, 0.002, 0.03]}'
        )
    limits = (_EN_FACE_MM, _DEPTH_MM, _EN_FACE_MM)
    for axis, n, mm, (low, high) in zip(("B-scan", "depth", "A-scan"), shape, spacing_mm, limits, strict=True):
        if not low <= n * mm <= high:
            raise InputError(
                f"found {n} x {mm:g} mm = {n * mm:g} mm along the {axis} axis, expected {low:g} to {high:g} mm: "
                "is the spacing in millimetres?"
            )


def _check_laterality(laterality: str | None) -> None:
    if laterality is not None and laterality not in EYES:
        raise InputError("found a laterality that is neither OD nor OS: correct the file or its sidecar")
