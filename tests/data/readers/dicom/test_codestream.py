"""The size in a compressed frame is the one that its encoder was given."""

from __future__ import annotations

import io

import jpeg_ls
import numpy as np
import pytest
from imagecodecs import jpeg8_encode
from openjpeg.utils import encode_array
from PIL import Image

from bundle.data.readers.dicom.codestream import JpegHeader, coded_size, jpeg_header

PIXELS = np.random.default_rng(0).integers(0, 256, (37, 61), dtype=np.uint8)


def pillow(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


STREAMS = {
    "JPEG": pillow("JPEG"),
    "progressive JPEG with a comment": pillow("JPEG", progressive=True, comment=b"x" * 300),
    "JPEG-LS": jpeg_ls.encode(PIXELS).tobytes(),
    "JPEG 2000 codestream": encode_array(PIXELS),
    "JPEG 2000 file": pillow("JPEG2000"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_size(name: str) -> None:
    assert coded_size(STREAMS[name]) == PIXELS.shape


@pytest.mark.parametrize("name", STREAMS)
def test_cut_streams_have_no_size_or_the_same(name: str) -> None:
    assert {coded_size(STREAMS[name][:end]) for end in range(400)} <= {None, PIXELS.shape}


def test_anything_else_has_none() -> None:
    assert coded_size(b"") is None
    assert coded_size(PIXELS.tobytes()) is None
    assert jpeg_header(b"") is None
    assert jpeg_header(STREAMS["JPEG 2000 codestream"]) is None


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_bits_of_a_sample(bits: int) -> None:
    pixels = PIXELS if bits == 8 else PIXELS.astype(np.uint16) << (bits - 8)
    assert jpeg_header(jpeg8_encode(pixels, lossless=True, bitspersample=bits)) == JpegHeader(bits, 37, 61)
