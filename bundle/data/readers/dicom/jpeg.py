"""JPEG Lossless and JPEG of 12 bits for pydicom, decoded by libjpeg-turbo as imagecodecs brings it.

GDCM, which pydicom knows for them, aborts the whole process on many a damaged frame and does not read 12 bits.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner

from bundle.data.readers.dicom.codestream import jpeg_header

# what pydicom asks a plugin for: the packages it needs, by transfer syntax
DECODER_DEPENDENCIES = dict.fromkeys((uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1), ("imagecodecs",))


def is_available(syntax: str) -> bool:
    """Whether frames of a transfer syntax can be decoded here."""
    return syntax in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """The samples of a frame, interleaved, in as many bytes each as the header allocates.

    runner: pydicom's, with what the DICOM header says. Raises ValueError when the frame says otherwise, before memory
    is allocated for it, and imagecodecs' own error when it cannot be decoded.
    """
    import imagecodecs  # takes 0.1 s to load, and few files need it

    header = jpeg_header(frame)
    if header is None:
        raise ValueError("no frame header")
    shape: tuple[int, ...] = (runner.rows, runner.columns)
    if runner.samples_per_pixel > 1:
        shape = (*shape, runner.samples_per_pixel)
    pixels = np.empty(shape, np.uint8 if header.bits <= 8 else np.uint16)
    colour = "RGB" if len(shape) == 3 else None  # alike in and out: the conversion is left to pydicom
    imagecodecs.jpeg8_decode(frame, colorspace=colour, outcolorspace=colour, out=pixels)
    allocated = np.dtype(f"u{runner.bits_allocated // 8}")
    if allocated.itemsize < pixels.itemsize:
        raise ValueError("more bits than allocated")
    return pixels.astype(allocated, copy=False).tobytes()
