"""What the doctor measures in one fundus photograph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from bundle.data.readers import FundusImage
from bundle.doctor.coarse import block_mean, standard_pattern

_SIDE = 256  # pixels that sharpness is measured on, so that cameras of any resolution compare
_FULL = 254  # of 255: saturated


@dataclass(frozen=True)
class FundusFacts:
    """Numbers of one photograph.

    content: hash of the pixels and their shape.
    brightness: 95th percentile of the mean of red, green and blue, 0 to 255; a black border does not matter.
    saturated_share: share of the pixels that are white in all three channels.
    sharpness: variance of the Laplacian over the variance, of the image at 256 pixels a side at most.
    grey: whether red, green and blue are the same everywhere.
    pattern: (16, 16) standardised green channel.
    """

    shape: tuple[int, ...]
    laterality: str | None
    content: str
    brightness: float
    saturated_share: float
    sharpness: float
    grey: bool
    pattern: np.ndarray


def fundus_facts(image: FundusImage) -> FundusFacts:
    """Measure a photograph."""
    pixels = image.pixels
    raw = hashlib.blake2b(f"{pixels.shape}".encode(), digest_size=16)
    raw.update(np.ascontiguousarray(pixels).data)
    luminance = pixels.mean(axis=2, dtype=np.float32)
    return FundusFacts(
        shape=pixels.shape[:2],
        laterality=image.laterality,
        content=raw.hexdigest(),
        brightness=float(np.percentile(luminance, 95)),
        saturated_share=float((pixels.min(axis=2) >= _FULL).mean()),
        sharpness=_sharpness(block_mean(block_mean(luminance, 0, _SIDE), 1, _SIDE)),
        grey=bool((pixels == pixels[..., :1]).all()),
        pattern=standard_pattern(pixels[..., 1]),
    )


def _sharpness(image: np.ndarray) -> float:
    centre = image[1:-1, 1:-1]
    laplacian = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:] - 4 * centre
    spread = float(image.var())
    return float(laplacian.var()) / spread if spread > 0 else 0.0
