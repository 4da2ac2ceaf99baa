"""A DICOM file that is damaged, lies about its size or holds something else costs little and is told in one line."""

from __future__ import annotations

import struct
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders import JPEGLosslessSV1Decoder

from bundle.data.readers import OctVolume, read_fundus, read_oct
from bundle.data.readers.dicom.dataset import is_dicom, laterality_of, open_dicom
from bundle.errors import InputError
from tests.dicom_files import Change, canonical, item, write_opt
from tests.dicom_header import CANARY

SPACING_MM = (0.0469, 0.00195, 0.0117)


def setting(**elements: object) -> Change:
    return lambda dataset: dataset.update(item(**elements))


def measures(**elements: object) -> Change:
    return lambda dataset: dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].update(item(**elements))


def without(keyword: str) -> Change:
    return lambda dataset: dataset.__delattr__(keyword)


def no_class(dataset: Dataset) -> None:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    del dataset.SOPClassUID


def fewer_descriptions(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[-1]


def other_eye_in_a_frame(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence[2].FrameAnatomySequence[0].FrameLaterality = "L"


CHANGES: dict[str, tuple[Change, str]] = {
    "many frames": (setting(NumberOfFrames=10**9), "a header that states 1000000000 frames"),
    "more frames than bytes": (setting(NumberOfFrames=13), "more than the file holds: cut short"),
    "fewer frames": (setting(NumberOfFrames=11), "found 11 frames and the description of 12"),
    "no frames": (setting(NumberOfFrames=0), "states 0 frames"),
    "negative frames": (setting(NumberOfFrames=-3), "states -3 frames"),
    "large rows": (setting(Rows=65535, Columns=65535), "65535 x 65535 pixels"),
    "more rows": (setting(Rows=500), "more than the file holds"),
    "fewer rows": (setting(Rows=95), "bytes of pixels, the header promises"),
    "no rows": (without("Rows"), "cannot be read as DICOM"),
    "bits": (setting(BitsAllocated=12), "12 bits a pixel"),
    "samples": (setting(SamplesPerPixel=4), "4 samples"),
    "colour": (setting(PhotometricInterpretation="PALETTE COLOR"), "in colour, expected grey"),
    "no pixels": (without("PixelData"), "more than the file holds|without pixels"),
    "no class": (no_class, "without a SOP class"),
    "fewer descriptions": (fewer_descriptions, "description of 11"),
    "NaN spacing": (measures(PixelSpacing=["NaN", "0.0117"]), "PixelSpacing that is not 2 numbers"),
    "one spacing": (measures(PixelSpacing=0.002), "PixelSpacing that is not 2 numbers"),
    "zero spacing": (measures(PixelSpacing=[0, 0]), "spacing of"),
    "negative between": (measures(SpacingBetweenSlices=-0.05), "-0.05 mm"),
    "micrometres": (measures(PixelSpacing=[1.95, 11.7]), "expected depth to be the smallest|millimetres"),
    "both eyes": (setting(ImageLaterality="B"), "both eyes in one DICOM file"),
    "other eye": (setting(Laterality="L"), "both eyes in one DICOM file"),
    "other eye in a frame": (other_eye_in_a_frame, "both eyes in one DICOM file"),
    "odd eye": (setting(ImageLaterality="X"), "laterality that is neither R nor L"),
    "blank": (setting(PixelData=bytes(12 * 96 * 64)), "blank image"),
}


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
@pytest.mark.parametrize("name", CHANGES)
def test_wrong_header(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    change, word = CHANGES[name]
    write_opt(tmp_path / "scan.dcm", canonical(), SPACING_MM, change=change)
    caplog.clear()
    check_refused(tmp_path / "scan.dcm", word)
    assert CANARY not in caplog.text


def test_text_in_place_of_a_number_is_not_quoted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_opt(tmp_path / "scan.dcm", canonical(), SPACING_MM)
    path.write_bytes(path.read_bytes().replace(b"0.00195\\0.0117", f"{CANARY}\\ABC".encode()))
    check_refused(path, "cannot be read as DICOM")
    assert CANARY not in caplog.text


def check_refused(path: Path, word: str) -> None:
    """Refused in one line and without warning, header text or an hourglass."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=word) as caught:
            read_oct(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert CANARY not in message
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize("name", ["many frames", "more frames than bytes", "large rows", "more rows"])
def test_lies_about_size_cost_no_memory(tmp_path: Path, name: str) -> None:
    change, word = CHANGES[name]
    write_opt(tmp_path / "scan.dcm", canonical(), SPACING_MM, change=change)
    check_memory(tmp_path / "scan.dcm", word)


def check_memory(path: Path, word: str) -> None:
    tracemalloc.start()
    with pytest.raises(InputError, match=word):
        read_oct(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**27


@pytest.mark.parametrize("frames", [0, 11, 13, 1000])
@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless])
def test_wrong_number_of_compressed_frames(tmp_path: Path, syntax: uid.UID, frames: int) -> None:
    def lie(dataset: Dataset) -> None:
        dataset.NumberOfFrames = frames
        del dataset.PerFrameFunctionalGroupsSequence

    write_opt(tmp_path / "scan", canonical(), SPACING_MM, orientation=None, syntax=syntax, change=lie)
    check_refused(tmp_path / "scan", "frames|unpacked")


def test_codestream_larger_than_the_header_says(tmp_path: Path) -> None:
    """A JPEG 2000 stream of 60000 x 60000 pixels in a few bytes would cost gigabytes to decode."""
    size = struct.pack(">HHHIIII", 0xFF51, 41, 0, 60000, 60000, 0, 0)

    def bomb(dataset: Dataset) -> None:
        dataset.PixelData = encapsulate([b"\xff\x4f" + size + bytes(100)] * 12)

    write_opt(tmp_path / "scan", canonical(), SPACING_MM, syntax=uid.JPEG2000Lossless, change=bomb)
    check_refused(tmp_path / "scan", "frame 1: found 60000 x 60000 pixels, the header says 96 x 64")


def test_deflate_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_opt(tmp_path / "scan", canonical(), SPACING_MM, syntax=uid.DeflatedExplicitVRLittleEndian)
    start = 132 + 12 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(2**24)) for _ in range(9)) + packer.flush()
    path.write_bytes(path.read_bytes()[:start] + packed)
    monkeypatch.setattr("bundle.data.readers.dicom.dataset.MAX_BYTES", 2**26)
    check_memory(path, "deflated content of more than")


@pytest.mark.parametrize(
    "syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless, uid.JPEG2000Lossless, uid.JPEGLSLossless]
)
def test_cut_short_anywhere(tmp_path: Path, syntax: uid.UID) -> None:
    path = write_opt(tmp_path / "scan", canonical(), SPACING_MM, syntax=syntax)
    content = path.read_bytes()
    for fraction in (0.002, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 0.99):
        path.write_bytes(content[: int(len(content) * fraction)])
        with pytest.raises(InputError) as caught:
            read_oct(path)
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_never_escapes_as_another_error(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    syntaxes = [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.RLELossless, uid.JPEG2000Lossless]
    path = write_opt(tmp_path / "scan", canonical(), SPACING_MM, syntax=syntaxes[seed % 4])
    content = bytearray(path.read_bytes())
    for position in rng.integers(132, len(content) if seed % 2 else 4000, 8):
        content[position] = rng.integers(256)
    path.write_bytes(content)
    try:
        outcome: object = read_oct(path)
    except InputError as error:
        outcome = str(error)
    assert isinstance(outcome, OctVolume) or str(outcome).startswith(f"{path}: ")
    assert CANARY not in str(outcome)


KINDS = {
    "1.2.840.10008.5.1.4.1.1.77.1.5.1": "Ophthalmic Photography, .* name it in the column fundus",
    "1.2.840.10008.5.1.4.1.1.80.1": "Static Perimetry, .* holds the Mean Deviation and no image",
    "1.2.840.10008.5.1.4.1.1.77.1.5.7": "OCT En Face, .* export the B-scan volume itself",
    "1.2.840.10008.5.1.4.1.1.104.1": "Encapsulated PDF, .* printed report",
    "1.2.840.10008.1.3.10": "DICOMDIR",
    "1.2.3.4.5": "DICOM of an unknown kind, expected an OCT volume",
}


@pytest.mark.parametrize("sop_class", KINDS)
def test_other_kinds_are_named(tmp_path: Path, sop_class: str) -> None:
    write_opt(tmp_path / "file", canonical(), SPACING_MM, change=setting(SOPClassUID=sop_class))
    check_refused(tmp_path / "file", KINDS[sop_class])


def test_oct_is_no_photograph(tmp_path: Path) -> None:
    write_opt(tmp_path / "scan", canonical(), SPACING_MM)
    with pytest.raises(InputError, match=r"Ophthalmic Tomography \(OCT\)"):
        read_fundus(tmp_path / "scan")


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_file_without_preamble(tmp_path: Path, syntax: uid.UID) -> None:
    """As some archives write them: the file starts with the file meta, or at once with the identification."""
    path = write_opt(tmp_path / "scan", canonical(), SPACING_MM, syntax=syntax)
    whole = path.read_bytes()
    start = 132 + 12 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength
    for content in (whole[132:], whole[start:]):
        path.write_bytes(content)
        assert is_dicom(content[:512], path)
        np.testing.assert_array_equal(read_oct(path).voxels, canonical())


def test_video_is_named(tmp_path: Path) -> None:
    def video(dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = uid.MPEG4HP41
        dataset.PixelData = encapsulate([bytes(200)] * 12)
        dataset["PixelData"].VR = "OB"

    write_opt(tmp_path / "scan", canonical(), SPACING_MM, change=video)
    check_refused(tmp_path / "scan", "MPEG-4 .*, which is not read: export without compression")


def test_missing_codec_names_syntax_and_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_opt(tmp_path / "scan", canonical(), SPACING_MM, syntax=uid.JPEGLosslessSV1)
    monkeypatch.setattr(JPEGLosslessSV1Decoder, "_available", {})
    check_refused(path, r"JPEG Lossless, .*, which needs a package: `pip install imagecodecs`")


def test_header_can_be_read_without_pixels(tmp_path: Path) -> None:
    header = open_dicom(write_opt(tmp_path / "scan", canonical(), SPACING_MM))
    assert "PixelData" not in header
    assert laterality_of(header) == "OD"
