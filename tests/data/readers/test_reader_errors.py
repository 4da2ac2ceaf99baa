"""Whatever lies at a path, a reader returns a usable record or raises InputError with the path and nothing personal."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from bundle.data.readers import FundusImage, OctVolume, read_fundus, read_oct
from bundle.errors import InputError

SECRET = b"CANARY-4711"
SPACING_MM = (0.375, 0.042, 0.19)
VOXELS = np.random.default_rng(0).integers(0, 255, (16, 48, 32), dtype=np.uint8)
Make = Callable[[Path], object]


def nifti(
    voxels: np.ndarray = VOXELS, zooms: tuple[float, ...] = SPACING_MM, cut: int | None = None, gz: bool = False
) -> Make:
    def make(path: Path) -> None:
        image = nibabel.Nifti1Image(voxels, np.eye(4))
        image.header.set_zooms(zooms[: voxels.ndim] + (1.0,) * (voxels.ndim - 3))
        image.header["descrip"] = SECRET
        content = image.to_bytes()
        path.write_bytes((gzip.compress(content) if gz else content)[:cut])

    return make


def npz(cut: int | None = None, **arrays: object) -> Make:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, **({"voxels": VOXELS, "spacing_mm": np.array(SPACING_MM), "note": SECRET.decode()} | arrays))  # type: ignore[arg-type]
        path.write_bytes(path.read_bytes()[:cut])

    return make


def raw(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def folder_of_text(path: Path) -> None:
    path.mkdir()
    (path / "a.txt").touch()


def with_value(value: float) -> np.ndarray:
    voxels = VOXELS.astype(np.float32)
    voxels[3, 4, 5] = value
    return voxels


NAN = float("nan")
BAD_OCT: dict[str, tuple[Make, str]] = {
    "missing file": (lambda path: None, "No such file"),
    "symlink loop": (lambda path: path.symlink_to(path), "cannot be read"),
    "dangling symlink": (lambda path: path.symlink_to(path.with_name("nothing")), "No such file"),
    "pipe": (lambda path: os.mkfifo(path), "device, pipe or socket"),
    "empty file": (raw(b""), "0 bytes"),
    "one byte": (raw(b"x"), "unknown content, expected folder of .* or NIfTI or NPZ"),
    "zeros": (raw(bytes(4096)), "unknown content"),
    "garbage": (raw(np.random.default_rng(2).bytes(4096)), "unknown content"),
    "text": (raw(SECRET * 50), "unknown content"),
    "empty folder": (lambda path: path.mkdir(), "found 0 images"),
    "folder without images": (folder_of_text, "found 0 images"),
    "DICOM": (raw(bytes(128) + b"DICM" + SECRET), "DICOM without a SOP class"),
    "Heidelberg vol": (raw(b"HSF-OCT-103" + SECRET), "Heidelberg .vol"),
    "E2E": (raw(b"CMDb" + SECRET), "Heidelberg .E2E"),
    "Topcon fda": (raw(b"FOCTFDA" + SECRET), "Topcon .fda"),
    "npy": (lambda path: path.write_bytes(b"\x93NUMPY" + SECRET), "bare NumPy array"),
    "photograph": (lambda path: Image.fromarray(VOXELS[0]).save(path, "PNG"), "one flat image, expected a volume"),
    "gzip of text": (raw(gzip.compress(SECRET)), "unknown content"),
    "cut gzip": (nifti(gz=True, cut=4000), "damaged or cut short"),
    "gzip cut in its trailer": (nifti(gz=True, cut=-4), "damaged or cut short"),
    "gzip cut in its header": (nifti(gz=True, cut=8), "."),
    "NIfTI cut in the header": (nifti(cut=347), "."),
    "NIfTI cut after the header": (nifti(cut=352), "cut short"),
    "NIfTI cut in the voxels": (nifti(cut=5000), "cut short"),
    "NIfTI 2-D": (nifti(VOXELS[0]), r"2 dimensions \(48, 32\), expected 3"),
    "NIfTI 4-D": (nifti(np.stack([VOXELS, VOXELS], -1)), "4 dimensions"),
    "NIfTI complex": (nifti(VOXELS.astype(np.complex64)), "complex64, expected one real number"),
    "NIfTI RGB": (nifti(np.zeros((16, 48, 32), [("R", "u1"), ("G", "u1"), ("B", "u1")])), "expected one real number"),
    "NIfTI NaN": (nifti(with_value(NAN)), "NaN or infinite"),
    "NIfTI infinite": (nifti(with_value(np.inf)), "NaN or infinite"),
    "NIfTI overflow": (nifti(with_value(1).astype(np.float64) * 1e300), "NaN or infinite"),
    "NIfTI blank": (nifti(np.zeros_like(VOXELS)), "blank image, all voxels are 0"),
    "NIfTI constant": (nifti(np.full_like(VOXELS, 30)), "blank image, all voxels are 30"),
    "NIfTI single line": (nifti(VOXELS[:1]), "1 B-scans, expected a raster"),
    "NIfTI three lines": (nifti(VOXELS[:3]), "3 B-scans, expected a raster"),
    "NIfTI one pixel deep": (nifti(VOXELS[:, :1]), "at least 2 voxels"),
    "NIfTI spacing 1": (nifti(zooms=(1.0, 1.0, 1.0)), "placeholder"),
    "NIfTI spacing 0": (nifti(zooms=(0.0, 0.0, 0.0)), "three positive numbers"),
    "NIfTI header pair": (raw(bytes([92, 1]) + bytes(342) + b"ni1\0" + bytes(8)), "header without voxels"),
    "NPZ cut": (npz(cut=3000), "damaged or cut short"),
    "NPZ cut at its end": (npz(cut=-10), "damaged or cut short"),
    "zip without arrays": (raw(b"PK\x05\x06" + bytes(18)), r"keys \[\]"),
    "zip header alone": (raw(b"PK\x03\x04"), "damaged or cut short"),
    "NPZ pickled": (npz(voxels=np.array([{"a": 1}], dtype=object)), "key voxels: found pickled Python objects"),
    "NPZ text": (npz(voxels=np.array(["a"])), "key voxels: found type <U1"),
    "NPZ complex": (npz(voxels=VOXELS.astype(np.complex64)), "key voxels: found type complex64"),
    "NPZ boolean": (npz(voxels=VOXELS > 9), "key voxels: found type bool"),
    "NPZ 2-D": (npz(voxels=VOXELS[0]), "2 dimensions"),
    "NPZ empty": (npz(voxels=VOXELS[:0]), "0 B-scans"),
    "NPZ NaN": (npz(voxels=with_value(NAN)), "NaN or infinite"),
    "NPZ blank": (npz(voxels=np.zeros_like(VOXELS)), "blank image"),
    "NPZ spacing of two": (npz(spacing_mm=np.array([1, 2])), "three positive numbers"),
    "NPZ spacing negative": (npz(spacing_mm=np.array([0.3, -0.04, 0.2])), "three positive numbers"),
    "NPZ spacing NaN": (npz(spacing_mm=np.array([0.3, NAN, 0.2])), "three positive numbers"),
    "NPZ spacing as text": (npz(spacing_mm=np.array(["a", "b", "c"])), "damaged"),
    "NPZ spacing in um": (npz(spacing_mm=np.array([375.0, 42, 190])), "in millimetres"),
    "NPZ spacing permuted": (npz(spacing_mm=np.array([0.042, 0.375, 0.19])), "depth to be the smallest"),
    "NPZ laterality both": (npz(laterality=np.array("B")), "key laterality: expected OD or OS"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_OCT)
def test_bad_oct_is_refused(tmp_path: Path, case: str) -> None:
    make, word = BAD_OCT[case]
    make(tmp_path / "scan")
    with pytest.raises(InputError, match=word) as caught:
        read_oct(tmp_path / "scan")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'scan'}: ")
    assert "\n" not in message
    assert SECRET.decode() not in message


BAD_FUNDUS: dict[str, tuple[Make, str]] = {
    "missing file": (lambda path: None, "No such file"),
    "folder": (lambda path: path.mkdir(), "found a folder"),
    "empty file": (raw(b""), "0 bytes"),
    "garbage": (raw(np.random.default_rng(2).bytes(4096)), "unknown content, expected PNG, JPEG, TIFF or BMP"),
    "PNG signature alone": (raw(b"\x89PNG\r\n\x1a\n"), "damaged or cut short"),
    "JPEG start alone": (raw(b"\xff\xd8\xff\xe0"), "damaged or cut short"),
    "TIFF start alone": (raw(b"II*\0"), "damaged or cut short"),
    "BMP start alone": (raw(b"BM"), "damaged or cut short"),
    "volume": (nifti(gz=True), "found a volume or archive"),
    "archive": (npz(), "found a volume or archive"),
    "DICOM": (raw(bytes(128) + b"DICM" + SECRET), "DICOM"),
    "PDF": (raw(b"%PDF-1.7" + SECRET), "a PDF report"),
}


@pytest.mark.parametrize("case", BAD_FUNDUS)
def test_bad_fundus_is_refused(tmp_path: Path, case: str) -> None:
    make, word = BAD_FUNDUS[case]
    make(tmp_path / "photo")
    with pytest.raises(InputError, match=word) as caught:
        read_fundus(tmp_path / "photo")
    assert str(caught.value).startswith(f"{tmp_path / 'photo'}: ")
    assert SECRET.decode() not in str(caught.value)


@pytest.mark.parametrize("read", [read_oct, read_fundus])
def test_forbidden_file_is_refused(
    tmp_path: Path, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scan").write_bytes(b"x")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)  # root, who runs many containers, may read everything
    with pytest.raises(InputError, match=r"scan: cannot be read \(Permission denied\)"):
        read(tmp_path / "scan")


@pytest.mark.parametrize("seed", range(150))
def test_random_damage_never_escapes_as_another_error(tmp_path: Path, seed: int) -> None:
    """Bytes of valid files are overwritten, cut or doubled at random; the outcome is a record or an InputError."""
    rng = np.random.default_rng(seed)
    path = tmp_path / "file"
    pairs: list[tuple[Make, Callable[[Path], object]]] = [
        (nifti(), read_oct),
        (nifti(gz=True), read_oct),
        (npz(), read_oct),
        (lambda p: Image.fromarray(VOXELS[0]).save(p, "TIFF"), read_fundus),
        (lambda p: Image.fromarray(VOXELS[0]).save(p, "JPEG"), read_fundus),
        (lambda p: Image.fromarray(VOXELS[0]).save(p, "BMP"), read_fundus),
    ]
    make, read = pairs[seed % len(pairs)]
    make(path)
    content = bytearray(path.read_bytes())
    reach = 400 if rng.random() < 0.7 else len(content)  # mostly the header
    for position in rng.integers(4, min(reach, len(content)), 6):
        content[position] = rng.integers(256)
    if rng.random() < 0.3:
        content = content[: int(rng.integers(1, len(content)))]
    path.write_bytes(content)
    try:
        outcome: object = read(path)
    except InputError as error:
        outcome = str(error)
    assert isinstance(outcome, OctVolume | FundusImage) or str(outcome).startswith(f"{path}: ")


def test_readers_need_neither_ignite_nor_mlflow() -> None:
    heavy = "{'ignite', 'mlflow', 'torch', 'monai'}"
    code = f"import sys, bundle.data, bundle.data.readers; print(*{heavy} & set(sys.modules))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
