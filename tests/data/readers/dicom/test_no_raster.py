"""Scans whose B-scans form no voxel grid are recognised by their geometry and refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from bundle.data.readers import read_oct
from bundle.errors import InputError
from tests.dicom_files import Change, canonical, location, write_opt

SPACING_MM = (0.0469, 0.00195, 0.0117)
N = 12
COLUMNS = 64


def scan_lines(angles_deg: np.ndarray, centres: np.ndarray, length: float = 400.0) -> np.ndarray:
    """(N, 4) row 1, column 1, row 2, column 2 of lines through (N, 2) centres (row, column)."""
    angles = np.deg2rad(angles_deg)
    half = np.stack([np.sin(angles), np.cos(angles)], axis=1) * length / 2
    return np.hstack([centres - half, centres + half])


CENTRE = np.full((N, 2), 300.0)
STACKED = np.stack([np.arange(N) * 20.0 + 100, np.full(N, 300.0)], axis=1)
LEVEL = np.zeros(N)
MISSING = STACKED + np.where(np.arange(N)[:, None] > 5, [20.0, 0.0], 0.0)
LINES = {
    "radial": (scan_lines(np.arange(N) * 15.0, CENTRE), "a radial scan of 12 B-scans, which is no raster"),
    "cross": (scan_lines(np.where(np.arange(N) % 2, 90.0, 0.0), STACKED), "a scan in several directions of 12"),
    "to and fro": (scan_lines(np.where(np.arange(N) % 2, 180.0, 0.0), STACKED), "a scan in several directions|radial"),
    "one line": (scan_lines(LEVEL, CENTRE), "12 B-scans in the same place"),
    "missing one": (scan_lines(LEVEL, MISSING), "uneven distances, is one missing"),
    "doubled one": (scan_lines(LEVEL, STACKED[[*range(11), 10]]), "uneven distances"),
    "sheared": (scan_lines(LEVEL, STACKED + np.arange(N)[:, None] * [0.0, 30.0]), "do not lie side by side"),
    "oblique": (scan_lines(LEVEL + 45, STACKED + (np.arange(N) * 20.0)[:, None] * [0.0, -1.0]), "oblique B-scans"),
    "points": (np.full((N, 4), 5.0), "a circle scan"),
}


@pytest.mark.parametrize("name", LINES)
def test_lines_on_the_fundus_image(tmp_path: Path, name: str) -> None:
    lines, word = LINES[name]
    write_opt(tmp_path / "scan", canonical(), SPACING_MM, orientation=None, lines=lines)
    with pytest.raises(InputError, match=word):
        read_oct(tmp_path / "scan")


def test_eye_tracking_is_no_fault(tmp_path: Path) -> None:
    """Lines that sway by a degree, a fifth of their distance and a hundredth of their length are a raster."""
    rng = np.random.default_rng(0)
    centres = STACKED + rng.uniform(-1, 1, (N, 2)) * [2.0, 4.0]
    write_opt(
        tmp_path / "scan", canonical(), SPACING_MM, orientation=None, lines=scan_lines(rng.uniform(-1, 1, N), centres)
    )
    np.testing.assert_array_equal(read_oct(tmp_path / "scan").voxels, canonical())


@pytest.mark.parametrize(
    ("pattern", "word"), [("NONLINEAR", "a circle or other curved scan"), ("TRANSVERSE", "en face")]
)
def test_patterns_that_the_header_names(tmp_path: Path, pattern: str, word: str) -> None:
    angles = np.linspace(0, 2 * np.pi, 33)
    circle = np.stack([300 + 100 * np.sin(angles), 300 + 100 * np.cos(angles)], axis=1).ravel()

    def place(dataset: Dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame.OphthalmicFrameLocationSequence = [location(circle, pattern)]

    write_opt(tmp_path / "scan", canonical(), SPACING_MM, orientation=None, change=place)
    with pytest.raises(InputError, match=word):
        read_oct(tmp_path / "scan")


def radial(dataset: Dataset) -> None:
    """Turn every B-scan about the centre, in patient coordinates."""
    half = COLUMNS * SPACING_MM[2] / 2
    for angle, frame in zip(
        np.linspace(0, np.pi, N, endpoint=False), dataset.PerFrameFunctionalGroupsSequence, strict=True
    ):
        along = np.array([np.cos(angle), 0.0, np.sin(angle)])
        frame.PlanePositionSequence[0].ImagePositionPatient = (-half * along).round(6).tolist()
        frame.PlaneOrientationSequence[0].ImageOrientationPatient = [*along.round(9).tolist(), 0.0, 1.0, 0.0]


def two_stacks(dataset: Dataset) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence[6:]:
        frame.FrameContentSequence[0].StackID = "2"


def varying(dataset: Dataset) -> None:
    for mm, frame in zip(np.linspace(0.010, 0.012, N), dataset.PerFrameFunctionalGroupsSequence, strict=True):
        measures = Dataset()
        measures.PixelSpacing, measures.SpacingBetweenSlices = [0.00195, round(float(mm), 5)], 0.0469
        frame.PixelMeasuresSequence = [measures]


def some_without_spacing(dataset: Dataset) -> None:
    del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    varying(dataset)
    del dataset.PerFrameFunctionalGroupsSequence[3].PixelMeasuresSequence


def contradicting(dataset: Dataset) -> None:
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 0.06


def concatenated(dataset: Dataset) -> None:
    dataset.ConcatenationUID, dataset.InConcatenationNumber, dataset.InConcatenationTotalNumber = "1.2.3", 1, 2


def skewed(dataset: Dataset) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.PlaneOrientationSequence[0].ImageOrientationPatient = [1.0, 0.0, 0.0, 0.7, 0.7, 0.0]


CHANGES: dict[str, tuple[Change, str]] = {
    "radial": (radial, "a radial scan of 12 B-scans, which is no raster"),
    "two stacks": (two_stacks, "found 2 stacks"),
    "varying spacing": (varying, r"varies from frame to frame \(0.01 to 0.012 mm\)"),
    "spacing of some": (some_without_spacing, "varies from frame to frame"),
    "contradiction": (contradicting, "0.06 mm apart by SpacingBetweenSlices and 0.0469 mm by their positions"),
    "concatenation": (concatenated, "split over several DICOM files"),
    "skewed axes": (skewed, "no pair of unit vectors"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_patient_coordinates_and_functional_groups(tmp_path: Path, name: str) -> None:
    change, word = CHANGES[name]
    write_opt(tmp_path / "scan", canonical(), SPACING_MM, change=change)
    with pytest.raises(InputError, match=word):
        read_oct(tmp_path / "scan")


def test_numbers_that_contradict_positions(tmp_path: Path) -> None:
    numbers = [1, 2, 3, 5, 4, *range(6, N + 1)]
    write_opt(tmp_path / "scan", canonical(), SPACING_MM, numbers=numbers)
    with pytest.raises(InputError, match="numbers contradict their positions"):
        read_oct(tmp_path / "scan")


def test_few_bscans(tmp_path: Path) -> None:
    write_opt(tmp_path / "scan", canonical((1, 96, 64)), SPACING_MM)
    with pytest.raises(InputError, match=r"scan of 1 B-scans, expected a raster of at least 4: .* name the folder"):
        read_oct(tmp_path / "scan")
