"""Opens one raster image (PNG, JPEG, TIFF, BMP) with Pillow and refuses what would be read wrongly in silence."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps

from bundle.errors import InputError

MAX_PIXELS = 10**8  # a wide-field photograph has 12 million
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
}


def raster_format(head: bytes) -> str | None:
    """PNG, JPEG, TIFF or BMP by the first bytes; None for anything else."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def open_raster(path: Path) -> tuple[Image.Image, bool]:
    """The decoded image, upright after its EXIF orientation, and whether it had to be turned.

    Raises InputError for more than one page or frame, 16-bit colour and more than `MAX_PIXELS`;
    Pillow's own exceptions for damaged files pass through.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large and odd files; both are judged here
        with path.open("rb") as file:
            head = file.read(32)
            name = raster_format(head)
            if name is None:
                raise InputError("found no PNG, JPEG, TIFF or BMP content: export the image again")
            try:
                image = Image.open(file, formats=[name, "MPO"] if name == "JPEG" else [name])
            except Image.DecompressionBombError as error:
                raise InputError(f"found far more than {MAX_PIXELS:,} pixels, which no photograph has") from error
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"found {image.width} x {image.height} pixels, expected at most {MAX_PIXELS:,}")
            if getattr(image, "n_frames", 1) > 1:
                raise InputError("found several pages or frames, expected one image: save each as a file of its own")
            if name == "PNG" and head[24] == 16 and image.mode in ("RGB", "RGBA", "LA"):
                raise InputError("found 16-bit colour, expected 8 bits a channel: save it as 8-bit RGB")
            turned = image.getexif().get(0x0112, 1) not in (0, 1)
            image.load()
            return (ImageOps.exif_transpose(image) if turned else image), turned
