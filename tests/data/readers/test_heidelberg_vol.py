"""Heidelberg .vol: what eyepy parses from the same bytes, turned to the canonical order; no patient ever comes out."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from eyepy.io.he.vol_reader import HeVolReader

from bundle.data.readers import OctVolume, read_fundus, read_oct
from bundle.errors import InputError
from tests.heidelberg_files import (
    ASCAN_MM,
    BSCAN_MM,
    DEPTH_MM,
    INVALID,
    PATIENT,
    circle_lines,
    radial_lines,
    raster_lines,
    vol_bytes,
)
from tests.realdata import realdata

PIXELS = np.random.default_rng(0).random((6, 40, 24), dtype=np.float32)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_real_sample_equals_eyepy() -> None:
    path = realdata("eyepy", "data", "filetypes", "heyex_vol", "test_volume.vol")
    parsed = HeVolReader(path).parsed_file
    volume = read_oct(path)
    raw = np.stack([np.array(bscan.data) for bscan in parsed.bscans])
    np.testing.assert_allclose(volume.voxels, raw[::-1].astype(np.float64) ** 0.25, rtol=1e-6)
    assert parsed.bscans[0].start_y > parsed.bscans[-1].start_y  # stored from inferior to superior
    assert volume.spacing_mm == (parsed.distance, parsed.scale_y, parsed.scale_x)
    assert (volume.laterality, volume.geometry, volume.device) == ("OD", "raster", None)


@pytest.mark.parametrize("eye", ["OD", "OS"])
def test_written_file_equals_eyepy(tmp_path: Path, eye: str) -> None:
    path = write(tmp_path / "scan.vol", vol_bytes(PIXELS, eye=eye))
    parsed = HeVolReader(path).parsed_file
    assert parsed.patient_id == PATIENT  # the planted patient lies where eyepy finds one
    raw = np.stack([np.array(bscan.data) for bscan in parsed.bscans])
    np.testing.assert_array_equal(raw, PIXELS)
    volume = read_oct(path)
    np.testing.assert_allclose(volume.voxels, raw[::-1].astype(np.float64) ** 0.25, rtol=1e-6)
    assert volume.spacing_mm == (BSCAN_MM, DEPTH_MM, ASCAN_MM)
    assert volume.laterality == parsed.scan_position == eye
    assert volume.device == "Heidelberg Engineering"
    assert volume.voxels.flags.c_contiguous
    assert PATIENT not in repr(volume)


@pytest.mark.parametrize("inferior_first", [True, False])
@pytest.mark.parametrize("right_to_left", [True, False])
def test_positions_decide_the_orientation(tmp_path: Path, inferior_first: bool, right_to_left: bool) -> None:
    lines = raster_lines(6, inferior_first=inferior_first)
    superior = int(np.argmin(lines[:, 0, 1]))
    if right_to_left:
        lines = lines[:, ::-1]
    left = -1 if right_to_left else 0
    pixels = np.full((6, 40, 24), 0.01, np.float32)
    pixels[superior] = 0.2
    pixels[:, :, left] += 0.5
    voxels = read_oct(write(tmp_path / "scan.vol", vol_bytes(pixels, lines))).voxels ** 4
    assert voxels.mean(axis=(1, 2)).argmax() == 0
    assert voxels.mean(axis=(0, 1)).argmax() == 0


def test_tilted_raster_is_read(tmp_path: Path) -> None:
    turn = np.deg2rad(12)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    lines = (raster_lines(6) - 4.5) @ rotation.T + 4.5
    volume = read_oct(write(tmp_path / "scan.vol", vol_bytes(PIXELS, lines)))
    np.testing.assert_allclose(volume.voxels, PIXELS[::-1] ** 0.25, rtol=1e-6)


def test_pixels_without_a_measurement_are_the_darkest(tmp_path: Path) -> None:
    pixels = PIXELS + 0.01
    pixels[2, :7, 5] = INVALID
    voxels = read_oct(write(tmp_path / "scan.vol", vol_bytes(pixels))).voxels
    assert (voxels[3, :7, 5] == 0).all()  # the third of six from below is the fourth from above
    assert np.count_nonzero(voxels == voxels.min()) == 7


def test_sidecar_and_argument(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.vol", vol_bytes(PIXELS))
    (tmp_path / "scan.json").write_text(json.dumps({"spacing_mm": [0.2, 0.004, 0.02], "laterality": "OD"}))
    assert read_oct(path).spacing_mm == (0.2, 0.004, 0.02)
    assert read_oct(path, spacing_mm=(0.3, 0.005, 0.03)).spacing_mm == (0.3, 0.005, 0.03)
    (tmp_path / "scan.json").write_text('{"laterality": "OS"}')
    with pytest.raises(InputError, match="found OD in the header and OS in the sidecar, expected one eye"):
        read_oct(path)
    (tmp_path / "scan.json").write_text('{"reverse": ["bscan"]}')
    with pytest.raises(InputError, match="this format fixes itself: keep spacing_mm and laterality alone"):
        read_oct(path)


def patched(offset: int, layout: str, *values: float) -> bytes:
    content = bytearray(vol_bytes(PIXELS))
    struct.pack_into(layout, content, offset, *values)
    return bytes(content)


def with_pixel(value: float) -> bytes:
    pixels = PIXELS.copy()
    pixels[1, 2, 3] = value
    return vol_bytes(pixels)


UNEVEN = raster_lines(6)
UNEVEN[3:, :, 1] -= 0.1
SHEARED = raster_lines(6) + np.arange(6)[:, None, None] * np.array([0.4, 0.0])
FIRST_BSCAN = 2048 + 63
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "line": (lambda: vol_bytes(PIXELS[:1], pattern=1), "found a single line scan, expected a volume scan"),
    "circle": (lambda: vol_bytes(PIXELS[:1], circle_lines(1), pattern=2), "found a circle scan, expected a volume"),
    "radial": (lambda: vol_bytes(PIXELS, radial_lines(6), pattern=5), r"found a radial \(star\) scan"),
    "radial, pattern unknown": (lambda: vol_bytes(PIXELS, radial_lines(6), pattern=0), "not parallel, as in a radial"),
    "circles, pattern unknown": (lambda: vol_bytes(PIXELS, circle_lines(6), pattern=0), "unevenly spaced, as in"),
    "uneven": (lambda: vol_bytes(PIXELS, UNEVEN), "unevenly spaced"),
    "sheared": (lambda: vol_bytes(PIXELS, SHEARED), "shifted against each other"),
    "vertical": (lambda: vol_bytes(PIXELS, raster_lines(6)[:, :, ::-1]), "run vertically, expected horizontal"),
    "no positions": (lambda: vol_bytes(PIXELS, np.zeros((6, 2, 2))), "found no positions of the B-scans"),
    "positions of NaN": (lambda: vol_bytes(PIXELS, np.full((6, 2, 2), np.nan)), "found no positions of the B-scans"),
    "positions far away": (lambda: vol_bytes(PIXELS, raster_lines(6) * 1e300), "found no positions of the B-scans"),
    "three lines": (lambda: vol_bytes(PIXELS[:3]), "found 3 B-scans, expected a raster"),
    "distance of the header": (lambda: vol_bytes(PIXELS, bscan_mm=0.24), "0.12 mm apart by their positions and 0.24"),
    "distance of NaN": (lambda: vol_bytes(PIXELS, bscan_mm=np.nan), "0.12 mm apart by their positions and nan mm"),
    "depth in um": (lambda: patched(40, "<d", 3.9), "expected depth to be the smallest"),
    "negative pixel": (lambda: with_pixel(-0.1), "NaN or infinite"),
    "pixel of NaN": (lambda: with_pixel(np.nan), "NaN or infinite"),
    "blank": (lambda: vol_bytes(np.zeros_like(PIXELS)), "blank image"),
    "no B-scans": (lambda: patched(16, "<I", 0), "promises 0 B-scans"),
    "more B-scans than there are": (lambda: patched(16, "<I", 7), "promises 7 B-scans"),
    "billions of B-scans": (lambda: patched(16, "<I", 2**32 - 1), "promises 4294967295 B-scans"),
    "huge infrared image": (lambda: patched(48, "<2I", 2**32 - 1, 2**32 - 1), "promises 6 B-scans"),
    "B-scan header too short": (lambda: patched(FIRST_BSCAN + 12, "<I", 10), "B-scan 1: found a header of 10 bytes"),
    "B-scan header too long": (lambda: patched(FIRST_BSCAN + 12, "<I", 2**20), "B-scan 1 of 6: found too few bytes"),
    "cut in the patient": (lambda: vol_bytes(PIXELS)[:150], "promises 6 B-scans"),
    "cut in the header": (lambda: vol_bytes(PIXELS)[:30], "damaged or cut short"),
    "cut in the last B-scan": (lambda: vol_bytes(PIXELS)[:-1], "B-scan 6 of 6: found too few bytes"),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_without_its_patient(tmp_path: Path, case: str) -> None:
    make, word = BAD[case]
    with pytest.raises(InputError, match=word) as caught:
        read_oct(write(tmp_path / "scan.vol", make()))
    assert PATIENT not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_never_escapes_and_never_names_the_patient(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(vol_bytes(PIXELS))
    for position in rng.integers(12, [104, 2600][seed % 2], 3):
        content[position] = rng.integers(256)
    if rng.random() < 0.3:
        content = content[: int(rng.integers(1, len(content)))]
    with np.errstate(all="ignore"):
        try:
            outcome: object = read_oct(write(tmp_path / "scan.vol", bytes(content)))
        except InputError as error:
            outcome = error
    assert isinstance(outcome, OctVolume | InputError)
    assert PATIENT not in f"{outcome} {outcome!r}"


def test_as_a_photograph_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found Heidelberg .vol, an OCT volume.*name it in the column oct"):
        read_fundus(write(tmp_path / "scan.vol", vol_bytes(PIXELS)))
