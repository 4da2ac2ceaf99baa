"""Topcon and .E2E files: refused with the way to the optional reader, and canonical once it is there.

The real reader, panimg, is tested where it is installed; elsewhere those tests skip and a stand-in takes its place.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pylibjpeg import utils as pylibjpeg

from bundle.data.readers import read_fundus, read_oct, vendor_optional
from bundle.errors import InputError
from tests.realdata import realdata

SECRET = "CANARY-4711"
NO_PANIMG = "the optional reader panimg is not installed (requirements-vendor.txt)"
SAMPLES = {"fda": "fda_minimized.fda", "fds": "fds_minimized.fds", "E2E": "e2e_minimized.E2E"}
MAGIC = {"fda": b"FOCTFDA", "fds": b"FOCTFDS", "E2E": b"CMDb"}
VOXELS = np.random.default_rng(0).integers(0, 255, (40, 48, 32)).astype(np.float64)
SPACING_MM = (0.05, 0.0035, 0.02)


def stub(path: Path, suffix: str = "fda") -> Path:
    path.write_bytes(MAGIC[suffix] + SECRET.encode() * 50)
    return path


@pytest.mark.parametrize("suffix", SAMPLES)
@pytest.mark.parametrize("error", [ImportError, OSError])
def test_absent_reader_is_named(tmp_path: Path, suffix: str, error: type, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise error(name)

    monkeypatch.setattr(vendor_optional.importlib, "import_module", absent)
    path = stub(tmp_path / "scan", suffix)
    with pytest.raises(InputError, match=f"found .*{suffix}, .*: pip install -r requirements-vendor.txt") as caught:
        read_oct(path)
    assert SECRET not in str(caught.value)
    with pytest.raises(InputError, match=r"an OCT volume, expected another kind of image"):
        read_fundus(path)


def install(monkeypatch: pytest.MonkeyPatch, *volumes: np.ndarray, error: Exception | None = None) -> None:
    """A stand-in for panimg and SimpleITK: images whose spacing is (A-scan, depth, B-scan), as theirs is."""

    def build(files: set[Path]) -> list[SimpleNamespace]:
        if error:
            raise error
        return [SimpleNamespace(image=SimpleNamespace(array=v, GetSpacing=lambda: SPACING_MM[::-1])) for v in volumes]

    module = SimpleNamespace(image_builder_oct=build, GetArrayFromImage=lambda image: image.array)
    monkeypatch.setattr(vendor_optional.importlib, "import_module", lambda name: module)


def test_topcon_is_read_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, VOXELS)
    path = stub(tmp_path / "scan.fda")
    volume = read_oct(path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.voxels.dtype == np.uint8
    assert (volume.spacing_mm, volume.laterality, volume.device) == (SPACING_MM, None, "Topcon")
    sidecar = {"spacing_mm": [0.06, 0.003, 0.01], "laterality": "OS", "reverse": ["bscan"]}
    (tmp_path / "scan.json").write_text(json.dumps(sidecar))
    volume = read_oct(path)
    np.testing.assert_array_equal(volume.voxels, VOXELS[::-1])
    assert (volume.spacing_mm, volume.laterality) == ((0.06, 0.003, 0.01), "OS")
    (tmp_path / "scan.json").write_text('{"axes": ["ascan", "depth", "bscan"]}')
    with pytest.raises(InputError, match="keep spacing_mm, laterality and reverse alone"):
        read_oct(path)


def test_e2e_needs_a_spacing_and_is_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = (VOXELS * 257).astype(np.uint16)
    stored[3, 4, 5] = 65_535  # no measurement
    install(monkeypatch, stored)
    path = stub(tmp_path / "scan.E2E", "E2E")
    with pytest.raises(InputError, match=r"found Heidelberg .E2E, of which no spacing is known, expected a sidecar"):
        read_oct(path)
    volume = read_oct(path, spacing_mm=SPACING_MM)
    stored[3, 4, 5] = 0
    np.testing.assert_array_equal(volume.voxels, stored[::-1])
    assert (volume.spacing_mm, volume.laterality, volume.device) == (SPACING_MM, None, "Heidelberg Engineering")


@pytest.mark.parametrize("lengths", [[], [1], [12], [31], [40, 40], [1, 5]])
def test_all_but_one_volume_is_refused(tmp_path: Path, lengths: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, *(VOXELS[:length] for length in lengths))
    with pytest.raises(InputError, match=r"found scans of .* B-scans, expected one volume of at least 32"):
        read_oct(stub(tmp_path / "scan.fda"))


def test_what_the_reader_says_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, error=ValueError(SECRET))
    with pytest.raises(InputError, match=r"the optional reader cannot read this Topcon .fda \(ValueError\)") as caught:
        read_oct(stub(tmp_path / "scan.fda"))
    assert SECRET not in str(caught.value)


def test_pylibjpeg_is_quick_and_quiet_for_a_file_and_as_it_was_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It decodes Topcon's B-scans: it would look for decoders at each one, and log what a damaged one raises."""
    searches: list[str] = []

    def get_decoders(kind: str = "") -> dict[str, object]:
        searches.append(kind)
        return {"broken": lambda data: 1 / 0}

    def build(files: set[Path]) -> None:
        for _ in range(3):
            with pytest.raises(ValueError, match="Unable to decode"):
                pylibjpeg.decode(b"damaged")
        raise ValueError("Unable to decode")

    monkeypatch.setattr(pylibjpeg, "get_decoders", get_decoders)
    module = SimpleNamespace(image_builder_oct=build)
    monkeypatch.setattr(vendor_optional.importlib, "import_module", lambda name: module)
    with pytest.raises(InputError, match="the optional reader cannot read"):
        read_oct(stub(tmp_path / "scan.fda"))
    assert searches == [""]
    assert caplog.records == []
    assert pylibjpeg.get_decoders is get_decoders
    assert not pylibjpeg.LOGGER.disabled


def e2e_image(width: int, height: int, n_pixels: int, index: int = 1, slice_id: int = 0) -> bytes:
    """One image chunk: 12 bytes of magic, the chunk's header to byte 60, the image's to 80, then the pixels."""
    head = struct.pack("<12s8Ii2HII", b"MDbData", 0, 0, 0, 0, 0, 1, 2, 3, slice_id, index, 0, 0x40000000, 0)
    return head + struct.pack("<5I", 0, 0, 0, width, height) + bytes(2 * n_pixels)


def test_e2e_that_promises_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, VOXELS)
    path = tmp_path / "scan.E2E"
    path.write_bytes(MAGIC["E2E"] + e2e_image(10, 10, 100))
    assert read_oct(path, spacing_mm=SPACING_MM).voxels.shape == VOXELS.shape
    for width, height in ((10, 11), (2**32 - 1, 2**32 - 1)):
        path.write_bytes(MAGIC["E2E"] + e2e_image(width, height, 100))
        with pytest.raises(InputError, match=f"promises {width} x {height} pixels, more than follow"):
            read_oct(path, spacing_mm=SPACING_MM)


@pytest.mark.parametrize(("suffix", "name"), [("fda", b"@IMG_JPEG"), ("fds", b"@IMG_SCAN_03")])
def test_topcon_that_promises_too_many_pixels_is_refused(
    tmp_path: Path, suffix: str, name: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume starts with a byte and, in .fda, two numbers; width, height, in .fds bits, and B-scans follow."""
    install(monkeypatch, VOXELS)
    path = tmp_path / "scan"
    for width in (512, 2**31):
        before = (0, 0, width, 885, 128, 0) if suffix == "fda" else (width, 885, 16, 128, 0, 0)
        path.write_bytes(MAGIC[suffix] + bytes(9) + name + struct.pack("<Ic6I", 25, b"\0", *before))
        if width == 512:
            assert read_oct(path).voxels.shape == VOXELS.shape
        else:
            with pytest.raises(InputError, match="promises 128 B-scans of 885 x 2147483648 pixels"):
                read_oct(path)


def sample(name: str) -> Path:
    pytest.importorskip("panimg", reason=NO_PANIMG)
    return realdata("panimg", "resources", "oct", name)


def test_real_samples_hold_too_few_bscans() -> None:
    for name, found in (("fda_minimized.fda", "1"), ("fds_minimized.fds", "4"), ("e2e_minimized.E2E", "1")):
        with pytest.raises(InputError, match=f"found scans of {found} B-scans, expected one volume of at least"):
            read_oct(sample(name))


@pytest.mark.parametrize("suffix", SAMPLES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_real_sample_cut_short_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    content = sample(SAMPLES[suffix]).read_bytes()
    path = tmp_path / "scan"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError):
        read_oct(path, spacing_mm=SPACING_MM)


def test_corrupt_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 0 bytes"):
        read_oct(sample("corrupt.fds"))
    with pytest.raises(InputError, match=r"the optional reader cannot read this Topcon .fds \(UnconsumedFiles"):
        read_oct(stub(tmp_path / "scan.fds", "fds"))


def test_real_topcon_bscan_repeated_to_a_volume(tmp_path: Path) -> None:
    """The sample's one compressed B-scan, 40 times in one file, against the picture that comes with it."""
    content = sample("fda_minimized.fda").read_bytes()
    name = b"@IMG_JPEG"
    start = content.index(name) + len(name)
    (n_bytes,) = struct.unpack_from("<I", content, start)
    header, bscan = content[start + 4 : start + 29], content[start + 29 : start + 4 + n_bytes]
    (length,) = struct.unpack_from("<I", bscan)
    repeated = header[:17] + struct.pack("<I", 40) + header[21:] + 40 * bscan[: 4 + length]
    path = tmp_path / "scan.fda"
    path.write_bytes(content[:start] + struct.pack("<I", len(repeated)) + repeated + content[start + 4 + n_bytes :])
    volume = read_oct(path)
    picture = np.asarray(Image.open(realdata("panimg", "fda_bscan_512x650.png")).convert("L"))
    assert volume.voxels.shape == (40, *picture.shape) == (40, 650, 512)
    for bscan_voxels in volume.voxels:
        np.testing.assert_array_equal(bscan_voxels, picture)
    np.testing.assert_allclose(volume.spacing_mm, (6 / 40, 0.0035, 6 / 512))


def test_real_e2e_bscan_repeated_to_a_volume(tmp_path: Path) -> None:
    content = sample("e2e_minimized.E2E").read_bytes()
    starts = [found.start() for found in re.finditer(b"MDbData", content)]
    is_oct = {at: content[at + 48] == 1 and content[at + 52 : at + 56] == b"\0\0\0\x40" for at in starts}
    start = next(at for at in starts if is_oct[at])
    width, height = struct.unpack_from("<2I", content, start + 72)
    chunk = bytearray(content[start : start + 80 + 2 * width * height])
    copies = []
    for index in range(4):
        struct.pack_into("<i", chunk, 44, 2 * index)
        chunk[80 + 2 * index : 82 + 2 * index] = b"\0\xfc"  # 1.0 in the file's own float: one bright pixel a B-scan
        copies.append(bytes(chunk))
    path = tmp_path / "scan.E2E"
    path.write_bytes(content[:start] + b"".join(copies))
    volume = read_oct(path, spacing_mm=(0.12, 0.0039, 0.0117))
    assert volume.voxels.shape == (4, 496, 512)
    lit = (volume.voxels[:, 0, :4] > 40_000).sum(axis=1)
    np.testing.assert_array_equal(lit, [4, 3, 2, 1])  # the last one stored, with all four marks, is superior


def test_reader_is_not_imported_before_it_is_needed() -> None:
    pytest.importorskip("panimg", reason=NO_PANIMG)
    code = "import sys, bundle.data.readers; print({'panimg', 'pyvips', 'openslide'} & set(sys.modules))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
