"""Pixels of a volume that disagree with the header: right values or a refusal, never sheared, cut or folded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from bundle.data.readers import read_oct
from bundle.errors import InputError
from tests.dicom_files import Change, canonical, write_opt, write_series

SPACING_MM = (0.0469, 0.00195, 0.0117)
PLAIN = (uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
LOSSLESS = (*PLAIN, uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless)
SMALL = canonical(dtype="u2") >> 4  # values of 12 bits


def setting(**elements: object) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def written(folder: Path, voxels: np.ndarray, syntax: str = PLAIN[0], **elements: object) -> Path:
    return write_opt(folder / "scan", voxels, SPACING_MM, syntax=syntax, change=setting(**elements))


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda one: one.keyword)
def test_bits_stored_hold_the_values(tmp_path: Path, syntax: uid.UID) -> None:
    path = written(tmp_path, SMALL, syntax, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_oct(path).voxels, SMALL)


@pytest.mark.parametrize("syntax", [one for one in LOSSLESS if one != uid.JPEGLosslessSV1], ids=lambda one: one.keyword)
def test_value_beyond_the_bits_stored(tmp_path: Path, syntax: uid.UID) -> None:
    """It would be folded: 4096 of a bright pixel into 0. (GDCM, which encodes JPEG Lossless here, cuts it itself.)"""
    voxels = SMALL.copy()
    voxels[5, 40, 30] = 4096
    path = written(tmp_path, voxels, syntax, BitsStored=12, HighBit=11)
    with pytest.raises(InputError, match="found a pixel of 4096, expected at most 4095 in 12 bits: damaged"):
        read_oct(path)


@pytest.mark.parametrize("bits", [None, 0, 17])
def test_impossible_bits_stored(tmp_path: Path, bits: int | None) -> None:
    with pytest.raises(InputError, match="no possible number of bits stored"):
        read_oct(written(tmp_path, SMALL, BitsStored=bits))


SIGNED = SMALL.astype(np.int16) - 2048


@pytest.mark.parametrize("stored", [SIGNED.view(np.uint16), SIGNED.view(np.uint16) & 0xFFF], ids=["extended", "not"])
def test_sign_of_twelve_bits(tmp_path: Path, stored: np.ndarray) -> None:
    path = written(tmp_path, stored, PixelRepresentation=1, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_oct(path).voxels, SIGNED.astype(np.float32))


@pytest.mark.parametrize("value", [5000, -5000])
def test_signed_value_beyond_the_bits_stored(tmp_path: Path, value: int) -> None:
    voxels = SIGNED.copy()
    voxels[5, 40, 30] = value
    path = written(tmp_path, voxels.view(np.uint16), PixelRepresentation=1, BitsStored=12, HighBit=11)
    with pytest.raises(InputError, match=f"found a pixel of {value}, expected at most 2047 in 12 bits"):
        read_oct(path)


def test_inverted_twelve_bits(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_oct(path).voxels, 4095 - SMALL)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize(
    "size", [{"Columns": 63}, {"Columns": 65}, {"Rows": 95}, {"Rows": 97}, {"Columns": 32}], ids=str
)
@pytest.mark.parametrize("syntax", [*PLAIN, uid.RLELossless, uid.JPEGLSLossless], ids=lambda one: one.keyword)
def test_wrong_size_is_refused(tmp_path: Path, syntax: uid.UID, size: dict[str, int], dtype: str) -> None:
    with pytest.raises(InputError, match=r"the file holds|bytes of pixels|cannot be decoded|the header says"):
        read_oct(written(tmp_path, canonical(dtype=dtype), syntax, **size))


@pytest.mark.parametrize("columns", [63, 65])
def test_wrong_columns_of_a_series(tmp_path: Path, columns: int) -> None:
    """One frame is a few bytes too long then: its rows alone, of less than a column, would be sheared."""
    voxels = canonical((6, 40, 64))
    write_series(tmp_path, voxels, SPACING_MM, change=lambda _, dataset: setting(Columns=columns)(dataset))
    with pytest.raises(InputError, match=r"bytes of pixels, the header promises|more than the file holds"):
        read_oct(tmp_path)


@pytest.mark.parametrize("n_bytes", [1, 2, 16, 12 * 64 - 2])
def test_padding_is_not_read(tmp_path: Path, n_bytes: int) -> None:
    path = written(tmp_path, canonical(), PixelData=canonical().tobytes() + bytes(n_bytes))
    np.testing.assert_array_equal(read_oct(path).voxels, canonical())


@pytest.mark.parametrize("n_bytes", [-2, -64, 12 * 64, 96 * 64])
def test_more_or_less_bytes_than_padding(tmp_path: Path, n_bytes: int) -> None:
    content = canonical().tobytes()
    path = written(tmp_path, canonical(), PixelData=content[:n_bytes] if n_bytes < 0 else content + bytes(n_bytes))
    with pytest.raises(InputError, match=r"bytes of pixels, the header promises 73728|more than the file holds"):
        read_oct(path)
