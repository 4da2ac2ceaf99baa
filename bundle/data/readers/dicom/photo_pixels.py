"""Pixels of a DICOM photograph as 8-bit RGB, scaled by what its header says."""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.pixels.processing import apply_color_lut

from bundle.data.readers.dicom.pixels import decode
from bundle.errors import InputError

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # `decode` returns all of them as RGB
_TOP_8_BIT = 255


def photometric(dataset: pydicom.Dataset) -> str:
    """PhotometricInterpretation; "" where it is absent."""
    return str(dataset.get("PhotometricInterpretation") or "").strip()


def read_pixels(dataset: pydicom.Dataset) -> tuple[np.ndarray, list[str]]:
    """(R, C, 3) uint8 RGB of the only frame, and what was changed.

    dataset: with pixel data, one frame, and a photometric interpretation among those above.
    Raises InputError when the pixels or a palette are not what the header says.
    """
    values = decode(dataset)[0]
    kind, bits, conversions = photometric(dataset), int(dataset.BitsStored), []
    if kind == PALETTE:
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        values = apply_color_lut(values, dataset)
        conversions.append("palette looked up to RGB")
    top = 2**bits - 1
    if values.max() > top:
        raise InputError(f"found a colour of {values.max()} in the palette, expected at most {top} in {bits} bits")
    if kind == "MONOCHROME1":
        values = top - values
        conversions.append("MONOCHROME1 inverted")
    if top != _TOP_8_BIT:
        values = (values.astype(np.uint32) * _TOP_8_BIT + top // 2) // top
        conversions.append(f"{bits} bits scaled to 8")
    values = values.astype(np.uint8)
    if values.ndim == 2:
        values = np.stack([values] * 3, axis=-1)
        conversions.append("grey replicated to RGB")
    return values, conversions
