"""DICOM photographs: every encoding gives the pixels that were stored; what is no single photograph is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, get_frame

from bundle.data.readers import read_fundus, read_oct
from bundle.errors import InputError
from tests.dicom_photos import write_op

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)
GREY = RGB[..., 0].copy()
PAIRS = np.repeat(RGB[:, ::2], 2, axis=1)  # neighbours alike, so that halving the chroma loses nothing
SMOOTH = np.asarray(Image.fromarray(RGB[:5, :7]).resize((56, 40), Image.Resampling.BICUBIC))
WIDE = RNG.integers(0, 2**12, (40, 56), dtype=np.uint16)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("encoding", ["plain", "rle", "jpeg2000", "jpegls"])
def test_lossless_colour_comes_back_exactly(tmp_path: Path, encoding: str, planar: int) -> None:
    photograph = read_fundus(write_op(tmp_path / "a.dcm", RGB, encoding=encoding, planar=planar))
    np.testing.assert_array_equal(photograph.pixels, RGB)
    assert (photograph.laterality, photograph.conversions) == ("OD", ())
    assert photograph.pixels.flags.writeable


@pytest.mark.parametrize("planar", [0, 1])
def test_ybr_full_comes_back_as_the_rgb_it_was_made_of(tmp_path: Path, planar: int) -> None:
    pixels = read_fundus(write_op(tmp_path / "a.dcm", RGB, photometric="YBR_FULL", planar=planar)).pixels
    assert np.abs(pixels.astype(int) - RGB).max() <= 2  # rounded twice, to YBR and back


def test_ybr_full_422_comes_back_as_the_rgb_it_was_made_of(tmp_path: Path) -> None:
    pixels = read_fundus(write_op(tmp_path / "a.dcm", PAIRS, photometric="YBR_FULL_422")).pixels
    assert np.abs(pixels.astype(int) - PAIRS).max() <= 2


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("stated", ["YBR_FULL_422", "RGB"])  # many cameras state RGB for a JPEG that holds YCbCr
def test_jpeg_equals_pillow(tmp_path: Path, stated: str, planar: int) -> None:
    options = {"PhotometricInterpretation": stated, "PlanarConfiguration": planar}
    path = write_op(tmp_path / "a.dcm", SMOOTH, encoding="jpeg", **options)
    stream = get_frame(pydicom.dcmread(path).PixelData, 0, number_of_frames=1)
    expected = np.asarray(Image.open(io.BytesIO(stream)).convert("RGB"), dtype=int)
    pixels = read_fundus(path).pixels.astype(int)
    assert np.abs(pixels - expected).max() <= 2  # two roundings of the same YCbCr
    assert np.abs(pixels - SMOOTH).mean() < 4  # raw YCbCr would differ by tens


@pytest.mark.parametrize("encoding", ["plain", "rle", "jpeg2000", "jpegls"])
def test_grey_is_replicated_and_listed(tmp_path: Path, encoding: str) -> None:
    photograph = read_fundus(write_op(tmp_path / "slo.dcm", GREY, encoding=encoding, laterality="L"))
    np.testing.assert_array_equal(photograph.pixels, np.stack([GREY] * 3, -1))
    assert (photograph.laterality, photograph.conversions) == ("OS", ("grey replicated to RGB",))


def test_monochrome1_is_inverted_and_listed(tmp_path: Path) -> None:
    photograph = read_fundus(write_op(tmp_path / "slo.dcm", GREY, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(photograph.pixels[..., 1], 255 - GREY)
    assert photograph.conversions == ("MONOCHROME1 inverted", "grey replicated to RGB")


@pytest.mark.parametrize("bits", [12, 14, 16])
@pytest.mark.parametrize("encoding", ["plain", "rle", "jpeg2000", "jpegls"])
def test_more_bits_are_scaled_by_those_stored(tmp_path: Path, encoding: str, bits: int) -> None:
    """255 v / (2^bits - 1), rounded, whatever the image's own darkest and brightest pixels are."""
    half = WIDE // 2
    for values in (WIDE, half):
        photograph = read_fundus(write_op(tmp_path / "a.dcm", values, bits_stored=bits, encoding=encoding))
        expected = np.floor(values * (255 / (2**bits - 1)) + 0.5).astype(np.uint8)
        np.testing.assert_array_equal(photograph.pixels[..., 0], expected)
        assert photograph.conversions == (f"{bits} bits scaled to 8", "grey replicated to RGB")


def test_sixteen_bit_colour_is_scaled_channel_by_channel_alike(tmp_path: Path) -> None:
    photograph = read_fundus(write_op(tmp_path / "a.dcm", RGB.astype(np.uint16) * 257))  # 257 * 255 = 2^16 - 1
    np.testing.assert_array_equal(photograph.pixels, RGB)
    assert photograph.conversions == ("16 bits scaled to 8",)


def palette(bits: int) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for channel, colour in enumerate(("Red", "Green", "Blue")):
        values = ((np.arange(256) * (channel + 3)) % 256).astype(np.uint16) * (257 if bits == 16 else 1)
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        tables[f"{colour}PaletteColorLookupTableData"] = values.astype("u1" if bits == 8 else "<u2").tobytes()
    return tables


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_is_looked_up(tmp_path: Path, bits: int) -> None:
    photograph = read_fundus(write_op(tmp_path / "a.dcm", GREY, photometric="PALETTE COLOR", **palette(bits)))
    expected = np.stack([(GREY.astype(int) * factor) % 256 for factor in (3, 4, 5)], -1)
    np.testing.assert_array_equal(photograph.pixels, expected)
    assert photograph.conversions[0] == "palette looked up to RGB"


@pytest.mark.parametrize(
    ("orientation", "rows", "columns"),
    [("L\\F", 1, 1), ("R\\F", 1, -1), ("L\\H", -1, 1), ("R\\H", -1, -1), ("A\\F", 1, 1)],
)
def test_patient_orientation_turns_upright(tmp_path: Path, orientation: str, rows: int, columns: int) -> None:
    photograph = read_fundus(write_op(tmp_path / "a.dcm", RGB, PatientOrientation=orientation.split("\\")))
    np.testing.assert_array_equal(photograph.pixels, RGB[::rows, ::columns])
    assert (photograph.conversions != ()) == ((rows, columns) != (1, 1))


@pytest.mark.parametrize("number", ["1", "2", "5", "6"])
def test_every_class_of_photograph_is_read_whatever_the_suffix(tmp_path: Path, number: str) -> None:
    uid = f"1.2.840.10008.5.1.4.1.1.77.1.5.{number}"
    path = write_op(tmp_path / "a.jpg", RGB, SOPClassUID=uid, laterality=None)
    assert read_fundus(path).laterality is None


def lying_jpeg(size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(RGB).resize(size).save(stream, "JPEG")
    return encapsulate([stream.getvalue()])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.5.4"}, r"Ophthalmic Tomography.*in the column oct"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture, expected an ophthalmic photograph"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "Encapsulated PDF, expected an ophthalmic photograph"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "unknown kind, expected an ophthalmic photograph"),
        ({"laterality": "B"}, "both eyes"),
        ({"laterality": "Q"}, "neither R nor L"),
        ({"PhotometricInterpretation": "YBR_PARTIAL_420"}, "photometric interpretation"),
        ({"PhotometricInterpretation": "MONOCHROME2"}, "photometric interpretation"),
        ({"PixelRepresentation": 1}, "signed pixels"),
        ({"BitsStored": 0}, "bits stored"),
        ({"BitsStored": 9}, "bits stored"),
        ({"BitsStored": 7, "HighBit": 6}, "expected at most 127 in 7 bits"),
        ({"Rows": 41}, "more than the file holds|bytes of pixels"),
        ({"Columns": 55}, "bytes of pixels"),
        ({"Columns": 55, "encoding": "rle"}, "cannot be decoded"),
        ({"Rows": 60000, "Columns": 60000}, "expected 1 to"),
        ({"PixelData": None}, "more than the file holds"),
        ({"PixelData": None, "encoding": "rle"}, "without pixels"),
        ({"encoding": "jpeg", "PixelData": lying_jpeg((64, 40))}, "the header says 40 x 56"),
        ({"encoding": "jpeg", "PixelData": encapsulate([b"\xff\xd8" + b"no image" * 9])}, "cannot be decoded"),
    ],
)
def test_unfit_photograph_is_refused(tmp_path: Path, options: dict[str, Any], word: str) -> None:
    path = write_op(tmp_path / "a.dcm", RGB, patient_id="SECRET-7", **options)
    with pytest.raises(InputError, match=word) as caught:
        read_fundus(path)
    assert "SECRET-7" not in str(caught.value)
    assert "DOE" not in str(caught.value)


def test_several_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 2 frames, expected one photograph"):
        read_fundus(write_op(tmp_path / "a.dcm", np.stack([RGB, RGB])))


def test_blank_photograph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="blank image"):
        read_fundus(write_op(tmp_path / "a.dcm", np.zeros_like(RGB)))


def test_photograph_in_the_column_oct_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_oct(write_op(tmp_path / "a.dcm", RGB))


@pytest.mark.parametrize("encoding", ["plain", "jpeg", "jpeg2000"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_photograph_is_refused(tmp_path: Path, encoding: str, share: float) -> None:
    path = write_op(tmp_path / "a.dcm", RGB, encoding=encoding)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"a\.dcm"):
        read_fundus(path)
