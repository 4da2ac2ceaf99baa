"""JPEG Lossless and JPEG of 12 bits give what was encoded; damaged frames are refused and do not end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from bundle.data.readers import read_fundus, read_oct
from bundle.data.readers.dicom import jpeg
from bundle.errors import InputError
from tests.dicom_files import Change, canonical, write_opt
from tests.dicom_photos import write_op
from tests.dicom_pixels import _jpeg_lossless

ROOT = Path(__file__).resolve().parents[4]
SPACING_MM = (0.0469, 0.00195, 0.0117)
N_DAMAGED = 300  # of 8 and of 16 bits each; GDCM ends the process at 1 to 2 % of them
DAMAGED = f"""
import numpy as np
from bundle.data.readers.dicom.pixels import decode
from bundle.data.readers.dicom.dataset import no_header_text, open_dicom
from bundle.errors import InputError
from pydicom.encaps import encapsulate, generate_frames
from scripts.fuzz_damage import damaged
import sys

counts = dict(read=0, refused=0)
for path in sys.argv[1:]:
    dataset = open_dicom(path, pixels=True)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=4))
    for number in range({N_DAMAGED}):
        dataset.PixelData = encapsulate([*frames[:3], damaged(frames[3], np.random.default_rng(number))])
        try:
            with no_header_text():
                assert decode(dataset).shape == (4, 40, 32)
            counts["read"] += 1
        except InputError:
            counts["refused"] += 1
print(*counts.values())
"""


def frames_of(voxels: np.ndarray, syntax: str, bits: int, **options: object) -> Change:
    """Replaces the pixels by JPEG frames of `voxels`, of `bits` bits a sample."""

    def change(dataset: Dataset) -> None:
        coded = [imagecodecs.jpeg8_encode(one, bitspersample=bits, **options) for one in voxels]  # type: ignore[arg-type]
        dataset.PixelData, dataset.file_meta.TransferSyntaxUID = encapsulate(coded), syntax
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        dataset.BitsStored, dataset.HighBit = bits, bits - 1

    return change


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_lossless_of_every_predictor_is_exact(tmp_path: Path, bits: int, predictor: int) -> None:
    voxels = canonical(dtype="u1" if bits == 8 else "u2") >> (16 - bits if bits > 8 else 0)
    change = frames_of(voxels, uid.JPEGLossless, bits, lossless=True, predictor=predictor)
    path = write_opt(tmp_path / "scan", canonical(dtype=voxels.dtype.str), SPACING_MM, change=change)
    np.testing.assert_array_equal(read_oct(path).voxels, voxels)


def test_twelve_bits_with_loss_come_back_nearly(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:96, :64]
    voxels = np.stack([2048 + 2000 * np.sin(rows / 9 + i) * np.cos(columns / 7) for i in range(12)]).astype(np.uint16)
    path = tmp_path / "scan"
    write_opt(path, voxels, SPACING_MM, change=frames_of(voxels, uid.JPEGExtended12Bit, 12, level=100))
    read = read_oct(path).voxels
    assert read.dtype == np.uint16
    assert np.abs(read.astype(int) - voxels).max() <= 2


def test_eight_bits_in_sixteen_allocated(tmp_path: Path) -> None:
    change = frames_of(canonical(), uid.JPEGLosslessSV1, 8, lossless=True)
    path = write_opt(tmp_path / "scan", canonical(dtype="u2"), SPACING_MM, change=change)
    voxels = read_oct(path).voxels
    np.testing.assert_array_equal(voxels, canonical())
    assert voxels.dtype == np.uint16


def test_colour_is_exact_whoever_encodes_it(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    path = write_op(tmp_path / "photo", pixels)
    _jpeg_lossless(path)
    np.testing.assert_array_equal(read_fundus(path).pixels, pixels)
    coded = imagecodecs.jpeg8_encode(pixels, lossless=True)
    write_op(path, pixels, encoding="jpeg", PixelData=encapsulate([coded]), PhotometricInterpretation="RGB")
    content = path.read_bytes().replace(uid.JPEGBaseline8Bit.encode(), uid.JPEGLosslessSV1.encode())
    path.write_bytes(content)
    np.testing.assert_array_equal(read_fundus(path).pixels, pixels)


def other(voxels: np.ndarray, bits: int) -> Change:
    return frames_of(voxels, uid.JPEGLosslessSV1, bits, lossless=True)


def no_image(dataset: Dataset) -> None:
    other(canonical(), 8)(dataset)
    dataset.PixelData = encapsulate([b"\xff\xd8" + bytes(400)] * 12)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (other(canonical((12, 96, 65)), 8), "frame 1: found 96 x 65 pixels, the header says 96 x 64"),
        (other(canonical(dtype="u2"), 16), "no possible number of bits stored"),
        (other(canonical((12, 96, 64 * 3)).reshape(12, 96, 64, 3), 8), "cannot be decoded as JPEG Lossless"),
        (no_image, r"cannot be decoded as JPEG Lossless, .* \(RuntimeError\)"),
    ],
    ids=["size", "bits", "colour", "no image"],
)
def test_other_frames_than_the_header_says(tmp_path: Path, change: Change, word: str) -> None:
    path = write_opt(tmp_path / "scan", canonical(), SPACING_MM, change=change)
    with pytest.raises(InputError, match=word):
        read_oct(path)


def test_more_bits_than_are_allocated(tmp_path: Path) -> None:
    def lie(dataset: Dataset) -> None:
        other(canonical(dtype="u2"), 16)(dataset)
        dataset.BitsStored = 8

    path = write_opt(tmp_path / "scan", canonical(), SPACING_MM, change=lie)
    with pytest.raises(InputError, match=r"cannot be decoded as JPEG Lossless, .* \(RuntimeError\)"):
        read_oct(path)


def test_damaged_frames_do_not_end_the_process(tmp_path: Path) -> None:
    voxels = [canonical((4, 40, 32), dtype) for dtype in ("u1", "u2")]
    paths = [write_opt(tmp_path / str(i), one, SPACING_MM, syntax=uid.JPEGLosslessSV1) for i, one in enumerate(voxels)]
    command = [sys.executable, "-c", DAMAGED, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    n_read, n_refused = map(int, done.stdout.split())
    assert n_read + n_refused == 2 * N_DAMAGED
    assert n_refused > N_DAMAGED / 5


def test_plugin_is_for_three_syntaxes_alone() -> None:
    assert [one.name for one in jpeg.DECODER_DEPENDENCIES if jpeg.is_available(one)] == [
        "JPEG Extended (Process 2 and 4)",
        "JPEG Lossless, Non-Hierarchical (Process 14)",
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
    ]
    assert not jpeg.is_available(uid.JPEGBaseline8Bit)
