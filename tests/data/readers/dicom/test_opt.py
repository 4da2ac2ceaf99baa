"""One scan, written in every way that data sets and devices use, reads to the same volume."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from imagecodecs import htj2k_encode
from pydicom import uid
from pydicom.encaps import encapsulate

from bundle.data.readers import OctVolume, read_oct
from bundle.data.readers.dicom.dataset import open_dicom
from bundle.data.readers.dicom.pixels import decode
from bundle.errors import InputError
from tests.dicom_files import UPRIGHT, canonical, item, write_opt

SPACING_MM = (0.0469, 0.00195, 0.0117)
N = 12
SCRAMBLED = np.random.default_rng(3).permutation(N).tolist()
REVERSED = list(range(N))[::-1]


def assert_reads(path: Path, voxels: np.ndarray, spacing_mm: tuple[float, ...] = SPACING_MM) -> OctVolume:
    volume = read_oct(path)
    np.testing.assert_array_equal(volume.voxels, voxels)
    assert volume.voxels.dtype == voxels.dtype
    assert volume.voxels.flags.c_contiguous
    assert volume.voxels.dtype.isnative
    assert volume.spacing_mm == pytest.approx(spacing_mm)
    return volume


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("monochrome1", [False, True], ids=["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("stored", [None, SCRAMBLED, REVERSED], ids=["in order", "scrambled", "reversed"])
@pytest.mark.parametrize("orientation", [UPRIGHT, None], ids=["positions", "no positions"])
@pytest.mark.parametrize("measures", ["shared", "frame", "top"])
def test_every_layout_reads_alike(
    tmp_path: Path, measures: str, orientation: Any, stored: list[int] | None, monochrome1: bool, dtype: str
) -> None:
    voxels = canonical(dtype=dtype)
    options = {"measures": measures, "orientation": orientation, "stored": stored, "monochrome1": monochrome1}
    volume = assert_reads(write_opt(tmp_path / "scan.dcm", voxels, SPACING_MM, **options), voxels)
    assert (volume.laterality, volume.geometry, volume.device) == ("OD", "raster", "Acme Scanner 3")


@pytest.mark.parametrize(("stated", "read"), [("R", "OD"), ("L", "OS"), (None, None)])
def test_laterality(tmp_path: Path, stated: str | None, read: str | None) -> None:
    write_opt(tmp_path / "scan", canonical(), SPACING_MM, stated)
    assert read_oct(tmp_path / "scan").laterality == read


EXACT = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
]


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("syntax", EXACT, ids=lambda one: one.keyword)
def test_transfer_syntaxes_without_loss(tmp_path: Path, syntax: uid.UID, dtype: str) -> None:
    voxels = canonical(dtype=dtype)
    path = write_opt(tmp_path / "scan.dcm", voxels, SPACING_MM, stored=SCRAMBLED, syntax=syntax)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    assert_reads(path, voxels)


@pytest.mark.parametrize(
    ("syntax", "dtype"), [(uid.JPEGBaseline8Bit, "u1"), (uid.JPEG2000, "u1"), (uid.JPEG2000, "u2")]
)
def test_transfer_syntaxes_with_loss(tmp_path: Path, syntax: uid.UID, dtype: str) -> None:
    """The grey levels are those of pydicom, near what was encoded, in canonical order."""
    voxels = canonical(dtype=dtype)
    path = write_opt(tmp_path / "scan.dcm", voxels, SPACING_MM, stored=SCRAMBLED, syntax=syntax)
    read = assert_reads(path, pydicom.dcmread(path).pixel_array[np.argsort(SCRAMBLED)]).voxels
    assert 0 < np.abs(read.astype(float) - voxels).max() < 0.05 * np.iinfo(dtype).max


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2K], ids=lambda one: one.keyword)
def test_high_throughput_jpeg_2000(tmp_path: Path, syntax: uid.UID, dtype: str) -> None:
    """Encoded by OpenJPH in imagecodecs, decoded by OpenJPEG."""
    voxels = canonical(dtype=dtype)

    def change(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = encapsulate([htj2k_encode(one, reversible=True) for one in voxels])
        dataset["PixelData"].VR, dataset.file_meta.TransferSyntaxUID = "OB", syntax

    assert_reads(write_opt(tmp_path / "scan.dcm", voxels, SPACING_MM, change=change), voxels)


@pytest.mark.parametrize("syntax", EXACT, ids=lambda one: one.keyword)
def test_decoded_frames_equal_pydicom(tmp_path: Path, syntax: uid.UID) -> None:
    path = write_opt(tmp_path / "scan.dcm", canonical(dtype="u2"), SPACING_MM, stored=SCRAMBLED, syntax=syntax)
    np.testing.assert_array_equal(decode(open_dicom(path, pixels=True)), pydicom.dcmread(path).pixel_array)


TILT = np.deg2rad(-8.0)  # from disc to fovea
ORIENTATIONS = {
    "upright": UPRIGHT,
    "A-scans from right to left": (-1, 0, 0, 0, 1, 0),
    "depth from the back": (1, 0, 0, 0, -1, 0),
    "both": (-1, 0, 0, 0, -1, 0),
    "B-scans from head to feet": (0, 0, -1, 0, 1, 0),
    "B-scans from feet to head, depth from the back": (0, 0, 1, 0, -1, 0),
    "tilted": (np.cos(TILT), 0, np.sin(TILT), 0, 1, 0),
}


@pytest.mark.parametrize("toward", [1, -1])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_orientation_agrees_with_highdicom(tmp_path: Path, name: str, toward: int) -> None:
    """highdicom turns it to rising Feet, Posterior and Left: superior, vitreous and the photograph's left first."""
    cosines = np.array(ORIENTATIONS[name], dtype=float)
    starts_mm = np.outer(np.arange(N) * 0.0469 * toward, np.cross(cosines[:3], cosines[3:]))
    path = tmp_path / "scan.dcm"
    write_opt(
        path,
        canonical(),
        SPACING_MM,
        orientation=cosines.round(9),
        starts_mm=starts_mm,
        stored=SCRAMBLED,
        numbers=range(1, N + 1),
    )
    expected = highdicom.imread(path).get_volume().to_patient_orientation("FPL")
    assert_reads(path, expected.array.astype(np.uint8), expected.spacing)


def test_volumetric_spacing_agrees_with_highdicom(tmp_path: Path) -> None:
    path = write_opt(tmp_path / "scan.dcm", canonical(), SPACING_MM)
    expected = highdicom.imread(path).get_volume().to_patient_orientation("FPL")
    assert expected.spacing == pytest.approx(SPACING_MM)
    assert_reads(path, expected.array.astype(np.uint8))


@pytest.mark.parametrize(
    ("between", "orientation"),
    [(["SpacingBetweenSlices"], None), (["SliceThickness"], None), ([], UPRIGHT)],
    ids=["stated", "thickness", "positions"],
)
def test_sources_of_the_spacing_between_bscans(tmp_path: Path, between: list[str], orientation: Any) -> None:
    write_opt(tmp_path / "scan", canonical(), SPACING_MM, between=between, orientation=orientation)
    assert_reads(tmp_path / "scan", canonical())


@pytest.mark.parametrize("absent", ["PlanePositionSequence", "PlaneOrientationSequence"])
def test_half_a_position_places_nothing(tmp_path: Path, absent: str) -> None:
    """The number in the stack then gives the order."""

    def change(dataset: pydicom.Dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            delattr(frame, absent)

    write_opt(tmp_path / "scan", canonical(), SPACING_MM, stored=SCRAMBLED, change=change)
    assert_reads(tmp_path / "scan", canonical())


def test_positions_win_over_thickness(tmp_path: Path) -> None:
    def thick(dataset: pydicom.Dataset) -> None:
        dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness = 0.015

    write_opt(tmp_path / "scan", canonical(), SPACING_MM, between=[], change=thick)
    assert_reads(tmp_path / "scan", canonical())


def test_lines_on_the_fundus_image_tell_what_is_superior(tmp_path: Path) -> None:
    """A device that scans from below, and writes no patient coordinates: row 100 of the fundus image is superior."""
    lines = np.array([[100.0 + 10 * i, 50.0, 100.0 + 10 * i, 450.0] for i in range(N)])
    write_opt(
        tmp_path / "scan", canonical(), SPACING_MM, orientation=None, lines=lines, stored=REVERSED, numbers=REVERSED
    )
    assert_reads(tmp_path / "scan", canonical())


def test_own_coordinates_order_and_numbers_give_the_direction(tmp_path: Path) -> None:
    """Depth along z is no patient's: B-scans are ordered by place, and the first by number is the superior one."""
    starts_mm = np.array([[0.0, i * 0.0469, 0.0] for i in range(N)])
    options: dict[str, Any] = {"orientation": (1, 0, 0, 0, 0, -1), "starts_mm": starts_mm, "stored": SCRAMBLED}
    write_opt(tmp_path / "down", canonical(), SPACING_MM, **options)
    write_opt(tmp_path / "up", canonical(), SPACING_MM, numbers=REVERSED, **options)
    assert_reads(tmp_path / "down", canonical())
    assert_reads(tmp_path / "up", canonical()[::-1])


def test_signed_values_become_float(tmp_path: Path) -> None:
    def sign(dataset: pydicom.Dataset) -> None:
        dataset.PixelRepresentation = 1

    write_opt(tmp_path / "scan", canonical(dtype="u2"), SPACING_MM, change=sign)
    assert_reads(tmp_path / "scan", canonical(dtype="u2").view("i2").astype("f4"))


def test_sidecar_adds_what_the_header_lacks(tmp_path: Path) -> None:
    write_opt(tmp_path / "scan.dcm", canonical(), SPACING_MM, None, measures=None, orientation=None)
    with pytest.raises(InputError, match=r'no spacing of its pixels .* sidecar .* \{"spacing_mm"'):
        read_oct(tmp_path / "scan.dcm")
    assert read_oct(tmp_path / "scan.dcm", spacing_mm=SPACING_MM).spacing_mm == SPACING_MM
    text = '{"spacing_mm": [0.05, 0.002, 0.012], "laterality": "OS", "reverse": ["bscan"]}'
    (tmp_path / "scan.json").write_text(text)
    assert assert_reads(tmp_path / "scan.dcm", canonical()[::-1], (0.05, 0.002, 0.012)).laterality == "OS"
    write_opt(tmp_path / "scan.dcm", canonical(), SPACING_MM, "R")
    with pytest.raises(InputError, match="sidecar: found OS, the DICOM header says OD"):
        read_oct(tmp_path / "scan.dcm")


def test_frame_laterality_alone_is_enough(tmp_path: Path) -> None:
    def drop(dataset: pydicom.Dataset) -> None:
        del dataset.ImageLaterality
        dataset.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [item(FrameLaterality="L")]
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            del frame.FrameAnatomySequence

    write_opt(tmp_path / "scan", canonical(), SPACING_MM, change=drop)
    assert read_oct(tmp_path / "scan").laterality == "OS"


def test_files_of_the_tests_conform(tmp_path: Path) -> None:
    """By dciodvfy of dicom3tools; its 2022 version both demands and forbids the three numbers of a concatenation."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is absent; install dicom3tools")
    write_opt(tmp_path / "scan.dcm", canonical(), SPACING_MM)
    done = subprocess.run(["dciodvfy", str(tmp_path / "scan.dcm")], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert lines[0] == "OphthalmicTomographyImage"
    assert [line for line in lines if line.startswith("Error") and "Concatenation" not in line] == []
