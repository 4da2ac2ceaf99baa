"""What the doctor measures in one OCT volume."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from bundle.data.readers import OctVolume
from bundle.doctor.bscan_order import order_ratio, sorted_as_text_ratio
from bundle.doctor.coarse import block_mean, standard_pattern

_DEPTH_BLOCKS, _ASCAN_BLOCKS = 24, 16  # of a coarse B-scan
_SAMPLE = 2_000_000  # voxels that percentiles are taken from


@dataclass(frozen=True)
class OctFacts:
    """Numbers of one volume; axes in the order B-scan, depth, A-scan.

    content: hash of the voxels and their shape: equal for equal images in files of any format.
    contrast: 99th percentile - median, in grey values of the file.
    maximum_share: share of the voxels that hold the largest value.
    axis_shares: for each axis, the variance of the mean profile along it over the variance of all voxels. The retina
        is a bright band at one depth, so that of depth is largest: .14 to .5, against .01 at most for the others.
    order_ratio, text_ratio: see `bscan_order`. Blank B-scans count neither here nor for axis_shares.
    en_face: (16, 16) standardised mean over depth.
    """

    shape: tuple[int, ...]
    dtype: str
    spacing_mm: tuple[float, float, float]
    laterality: str | None
    device: str | None
    content: str
    contrast: float
    maximum_share: float
    blank_bscans: int
    repeated_bscans: int
    axis_shares: tuple[float, float, float]
    order_ratio: float
    text_ratio: float
    en_face: np.ndarray

    @property
    def extent_mm(self) -> tuple[float, ...]:
        """Size of the scan in mm."""
        return tuple(n * mm for n, mm in zip(self.shape, self.spacing_mm, strict=True))


def oct_facts(volume: OctVolume) -> OctFacts:
    """Measure a volume."""
    voxels = volume.voxels
    digests = [_digest(np.ascontiguousarray(bscan).data) for bscan in voxels]
    blank = voxels.min(axis=(1, 2)) == voxels.max(axis=(1, 2))
    seen = Counter(digest for digest, empty in zip(digests, blank, strict=True) if not empty)
    sample, whole = _sample(voxels), voxels[~blank] if blank.any() and len(voxels) - blank.sum() >= 2 else voxels
    median, high = np.percentile(sample, (50, 99))
    coarse = block_mean(block_mean(whole, 1, _DEPTH_BLOCKS), 2, _ASCAN_BLOCKS)
    return OctFacts(
        shape=voxels.shape,
        dtype=str(voxels.dtype),
        spacing_mm=volume.spacing_mm,
        laterality=volume.laterality,
        device=volume.device,
        content=_digest(f"{voxels.shape}{voxels.dtype}".encode() + b"".join(digests)).hex(),
        contrast=float(high - median),
        maximum_share=float((voxels == voxels.max()).mean()),
        blank_bscans=int(blank.sum()),
        repeated_bscans=sum(count - 1 for count in seen.values()),
        axis_shares=_axis_shares(whole, float(sample.var(dtype=np.float64))),
        order_ratio=order_ratio(coarse),
        text_ratio=sorted_as_text_ratio(coarse),
        en_face=standard_pattern(voxels.mean(axis=1, dtype=np.float32)),
    )


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _sample(voxels: np.ndarray) -> np.ndarray:
    """About `_SAMPLE` voxels at a step that shares no factor with the shape, so that no row or column is left out."""
    step = max(voxels.size // _SAMPLE, 1)
    while math.gcd(step, voxels.size) > 1:
        step += 1
    return voxels.reshape(-1)[::step]


def _axis_shares(voxels: np.ndarray, variance: float) -> tuple[float, float, float]:
    bscan, depth, ascan = (
        float(voxels.mean(axis=others, dtype=np.float64).var()) for others in ((1, 2), (0, 2), (0, 1))
    )
    return bscan / variance, depth / variance, ascan / variance
