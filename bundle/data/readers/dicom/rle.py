"""RLE Lossless (DICOM PS3.5, annex G) for pydicom: a segment a byte of a sample, each packed as PackBits.

pydicom's own decoder takes three times as long, and pylibjpeg-rle drops in silence what a segment holds beyond the
header's size and panics, which is no Exception, on some damaged frames.
"""

from __future__ import annotations

import struct
from importlib.util import find_spec

import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner

# what pydicom asks a plugin for: the packages it needs, by transfer syntax
DECODER_DEPENDENCIES = {uid.RLELossless: ("imagecodecs",)}
_HEADER = struct.Struct("<16I")  # number of segments, and where each starts


def is_available(syntax: str) -> bool:
    """Whether frames of a transfer syntax can be decoded here."""
    return syntax in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """The samples of a frame, little endian, colour by plane.

    runner: pydicom's, with what the DICOM header says. Raises ValueError when the frame holds other segments, less than
    the header says, or as much more as another row or column takes, and imagecodecs' own error for damaged ones.
    """
    import imagecodecs  # takes 0.1 s to load, and few files need it

    samples, bytes_each = runner.samples_per_pixel, runner.bits_allocated // 8
    n_segments, *starts = _HEADER.unpack_from(frame)
    if n_segments != samples * bytes_each:
        raise ValueError("another number of segments")
    n_pixels, padding = runner.rows * runner.columns, min(runner.rows, runner.columns) - 1
    planes = np.empty((samples, bytes_each, n_pixels), np.uint8)
    ends = [*starts[1:n_segments], len(frame)]
    for plane, start, end in zip(planes.reshape(n_segments, n_pixels), starts, ends, strict=False):
        unpacked = imagecodecs.packbits_decode(frame[start:end], out=n_pixels + padding)
        plane[:] = np.frombuffer(unpacked, np.uint8, n_pixels)
    runner.set_option("planar_configuration", 1)
    return planes[:, ::-1].swapaxes(1, 2).tobytes()  # the most significant byte comes first in the file
