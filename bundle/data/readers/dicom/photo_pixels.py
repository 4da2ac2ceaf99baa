"""Pixels of a DICOM photograph as 8-bit RGB, where the header and the encoded image disagree by neither in silence."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGTransferSyntaxes

from bundle.data.readers.dicom.pixels import decode
from bundle.errors import InputError

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # `decode` returns all of them as RGB
_TOP_8_BIT = 255
_INTERLEAVED = (*JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes)


def photometric(dataset: pydicom.Dataset) -> str:
    """PhotometricInterpretation; "" where it is absent."""
    return str(dataset.get("PhotometricInterpretation") or "").strip()


def read_pixels(dataset: pydicom.Dataset) -> tuple[np.ndarray, list[str]]:
    """(R, C, 3) uint8 RGB of the only frame, and what was changed.

    dataset: with pixel data, one frame, and a photometric interpretation among those above.
    Raises InputError when the pixels are not what the header says.
    """
    values = _values(dataset)
    kind, bits, conversions = photometric(dataset), int(dataset.BitsStored), []
    if kind == PALETTE:
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        values = apply_color_lut(values, dataset)
        conversions.append("palette looked up to RGB")
    top = 2**bits - 1
    brightest = int(values.max())
    if brightest > top:
        raise InputError(f"found a pixel of {brightest}, expected at most {top} in {bits} bits: damaged, copy it again")
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


def _values(dataset: pydicom.Dataset) -> np.ndarray:
    """(R, C) or (R, C, 3) decoded integers, with all bits that are there.

    pydicom believes the header where the encoded image knows better, so the header is corrected first:
    decoding would cut off the bits beyond BitsStored, and so fold a bright pixel of a wrong header into a dark one;
    and JPEG and JPEG 2000 give interleaved colour, whatever PlanarConfiguration says (PS3.5, 8.2.1 and 8.2.4).
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if not syntax.is_compressed:
        expected, found = get_expected_length(dataset), len(dataset.PixelData)
        if found - expected not in (0, expected % 2):  # a wrong number of columns shears the image
            raise InputError(f"found {found} bytes of pixels, the header promises {expected}: export it again")
    if syntax in _INTERLEAVED and dataset.SamplesPerPixel == 3:
        dataset.PlanarConfiguration = 0
    stored, dataset.BitsStored = dataset.BitsStored, dataset.BitsAllocated
    with warnings.catch_warnings():
        # pydicom drops what an RLE segment holds beyond the header's size and only warns
        warnings.filterwarnings("error", message="The decoded RLE segment")
        values = decode(dataset)[0]
    dataset.BitsStored = stored
    return np.asarray(values)
