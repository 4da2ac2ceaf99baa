"""Photographs come out as 8-bit RGB, upright; what would be read wrongly in silence is refused or listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bundle.data.readers import read_fundus
from bundle.errors import InputError
from tests.realdata import realdata

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["eye.png", "eye.tif", "eye.bmp"])
def test_lossless_round_trip(tmp_path: Path, name: str) -> None:
    photograph = read_fundus(save(tmp_path / name, RGB))
    np.testing.assert_array_equal(photograph.pixels, PIXELS)
    assert photograph.pixels.flags.writeable
    assert (photograph.laterality, photograph.conversions) == (None, ())


def test_jpeg_equals_pillow(tmp_path: Path) -> None:
    path = save(tmp_path / "eye.jpg", RGB)
    np.testing.assert_array_equal(read_fundus(path).pixels, np.asarray(Image.open(path)))


def test_content_counts_not_the_suffix(tmp_path: Path) -> None:
    path = save(tmp_path / "eye.png", RGB).rename(tmp_path / "eye.jpg")
    np.testing.assert_array_equal(read_fundus(path).pixels, PIXELS)


@pytest.mark.parametrize("name", ["eye.png", "eye.tif", "eye.jpg"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    undo = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (1, False), 7: (1, True), 8: (3, False)}
    turns, mirrored = undo[orientation]
    stored = np.rot90(PIXELS, turns)
    stored = stored[:, ::-1] if mirrored else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    options = {"quality": 100, "subsampling": "4:4:4"} if name.endswith("jpg") else {}
    photograph = read_fundus(save(tmp_path / name, image, exif=exif, **options))
    assert photograph.pixels.shape == PIXELS.shape
    error = np.abs(photograph.pixels.astype(int) - PIXELS)
    assert error.mean() < 1.5 if name.endswith("jpg") else error.max() == 0  # JPEG rounds; a wrong turn differs by 85
    assert photograph.conversions == ("turned upright as EXIF says",)


def test_grey_palette_and_opaque_alpha_are_converted_and_listed(tmp_path: Path) -> None:
    grey = Image.fromarray(PIXELS[..., 0])
    opaque = RGB.copy()
    opaque.putalpha(255)
    grey_opaque = grey.copy()
    grey_opaque.putalpha(255)
    palette = RGB.quantize(64)
    grey_rgb = np.stack([PIXELS[..., 0]] * 3, -1)
    for image, expected, listed in [
        (grey, grey_rgb, ("grey replicated to RGB",)),
        (opaque, PIXELS, ("opaque alpha dropped",)),
        (grey_opaque, grey_rgb, ("opaque alpha dropped", "grey replicated to RGB")),
        (palette, np.asarray(palette.convert("RGB")), ("palette looked up to RGB",)),
    ]:
        photograph = read_fundus(save(tmp_path / "eye.png", image))
        np.testing.assert_array_equal(photograph.pixels, expected)
        assert photograph.conversions == listed


def transparent() -> Image.Image:
    image = RGB.copy()
    image.putalpha(254)
    return image


@pytest.mark.parametrize(
    ("name", "image", "options", "word"),
    [
        ("a.png", transparent(), {}, "transparent pixels"),
        ("a.png", RGB.quantize(64), {"transparency": 0}, "transparent pixels"),
        ("a.tif", RGB.convert("CMYK"), {}, r"print colours \(CMYK\)"),
        ("a.jpg", RGB.convert("CMYK"), {}, r"print colours \(CMYK\)"),
        ("a.png", RGB.convert("1"), {}, "black and white only"),
        ("a.png", Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), {}, "16-bit grey"),
        ("a.tif", Image.fromarray(PIXELS[..., 0].astype(np.float32)), {}, "floating-point grey"),
        ("a.tif", Image.fromarray(PIXELS[..., 0].astype(np.int32)), {}, "32-bit grey"),
        ("a.tif", RGB.convert("LAB"), {}, "LAB colours"),
        ("a.tif", RGB, {"save_all": True, "append_images": [RGB]}, "several pages"),
        ("a.png", RGB, {"save_all": True, "append_images": [transparent().convert("RGB").rotate(9)]}, "several pages"),
        ("a.gif", RGB, {}, "found GIF, which is not read"),
        ("a.webp", RGB, {}, "found WebP, which is not read"),
        ("a.png", Image.new("RGB", (50, 50)), {}, "blank image, all pixels are 0"),
        ("a.png", Image.new("RGB", (50, 50), (7, 7, 7)), {}, "blank image, all pixels are 7"),
        ("a.png", RGB.resize((56, 15)), {}, "56 x 15 pixels, expected at least 16"),
    ],
)
def test_unfit_photograph_is_refused(
    tmp_path: Path, name: str, image: Image.Image, options: dict[str, Any], word: str
) -> None:
    with pytest.raises(InputError, match=word):
        read_fundus(save(tmp_path / name, image, **options))


def test_sixteen_bit_colour_png_is_refused(tmp_path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in PIXELS.reshape(40, -1))
    head = struct.pack(">IIBBBBB", 56, 40, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(InputError, match="16-bit colour"):
        read_fundus(tmp_path / "a.png")


@pytest.mark.parametrize("side", [10_001, 60_000])
def test_decompression_bomb_is_refused_before_decoding(tmp_path: Path, side: int) -> None:
    path = save(tmp_path / "a.bmp", RGB)
    content = bytearray(path.read_bytes())
    content[18:26] = side.to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(InputError, match="pixels"):
        read_fundus(path)


def test_flipped_bytes_of_a_png_never_change_a_pixel_in_silence(tmp_path: Path) -> None:
    whole = bytearray(save(tmp_path / "eye.png", RGB).read_bytes())
    rng = np.random.default_rng(1)
    refused = 0
    for position in rng.integers(0, len(whole) - 12, 200):
        changed = whole.copy()
        changed[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "rot.png").write_bytes(changed)
        try:
            np.testing.assert_array_equal(read_fundus(tmp_path / "rot.png").pixels, PIXELS)
        except InputError:
            refused += 1
    assert refused >= 190  # the others hit bytes that decide no pixel


@pytest.mark.parametrize("name", ["eye.jpg", "eye.png", "eye.bmp", "eye.tif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_photograph_is_refused(tmp_path: Path, name: str, share: float) -> None:
    whole = save(tmp_path / name, RGB).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=name):
        read_fundus(tmp_path / name)


def test_real_disc_photographs_are_read() -> None:
    photographs = sorted(realdata("grape", "rois").glob("*.jpg"))[:8]
    assert photographs
    for path in photographs:
        pixels = read_fundus(path).pixels
        assert min(pixels.shape[:2]) > 300
        assert pixels[..., 0].mean() > pixels[..., 2].mean()  # a retina is red, not blue
