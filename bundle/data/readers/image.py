"""Fundus photographs: PNG, JPEG, TIFF or BMP, brought to 8-bit RGB without guessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bundle.data.readers.raster import open_raster, raster_format
from bundle.data.readers.records import FundusImage
from bundle.errors import InputError

_REFUSED = {
    "CMYK": "print colours (CMYK)",
    "1": "black and white only (a mask?)",
    "I": "32-bit grey",
    "F": "floating-point grey",
    "LAB": "LAB colours",
    "HSV": "HSV colours",
}


def is_raster(head: bytes, path: Path) -> bool:
    """Whether the content is PNG, JPEG, TIFF or BMP."""
    return raster_format(head) is not None


def read_raster(path: Path) -> FundusImage:
    """Read a photograph as (H, W, 3) uint8 RGB.

    Grey is replicated to three channels, a palette is looked up, an opaque alpha channel is dropped and an EXIF
    orientation is applied: each is listed in `conversions`, for the caller to log. 16-bit grey, CMYK, masks and real
    transparency are refused, as no rule turns them into the photograph that the camera took.
    """
    image, turned = open_raster(path)
    conversions = ["turned upright as EXIF says"] if turned else []
    if "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode == "P":
        conversions.append("palette looked up to RGB")
        image = image.convert("RGB")
    if image.mode in ("RGBA", "LA"):
        alpha = np.asarray(image.getchannel("A"))
        if alpha.min() < 255:
            raise InputError("found transparent pixels (alpha), expected an opaque photograph: save it without alpha")
        conversions.append("opaque alpha dropped")
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
    if image.mode == "L":
        conversions.append("grey replicated to RGB")
        image = image.convert("RGB")
    if image.mode != "RGB":
        raise InputError(f"found {_kind(image)}, expected 8-bit RGB or grey: save it as 8-bit RGB")
    return FundusImage(pixels=np.array(image), conversions=tuple(conversions))


def _kind(image: Image.Image) -> str:
    return "16-bit grey" if image.mode.startswith("I;16") else _REFUSED.get(image.mode, f"colour mode {image.mode}")
