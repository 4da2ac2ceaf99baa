"""A folder with one image a B-scan, as STAGE and GAMMA ship them (`0_image.jpg` ... `255_image.jpg`).

B-scans are put in the order of their whole number: 2 before 10. The first is superior unless the sidecar says
`"reverse": ["bscan"]`; rows are depth, vitreous at the top. Folders carry no spacing: `oct.json` in the folder, or
beside all folders, gives it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from bundle.data.readers.raster import open_raster, raster_format
from bundle.data.readers.records import MAX_VOXELS, MIN_BSCANS, OctVolume
from bundle.data.readers.sidecar import EXAMPLE, folder_sidecar
from bundle.errors import InputError

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
_NOT_SCANS = {"thumbs.db", "desktop.ini"}


def is_folder(head: bytes, path: Path) -> bool:
    """Whether the path is a folder."""
    return path.is_dir()


def read_bscan_folder(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read the B-scans of a folder; `spacing_mm` (B-scan, depth, A-scan) replaces what `oct.json` says.

    Raises InputError when the spacing is unknown, or names, numbers, sizes or types of the images do not make a raster.
    """
    sidecar = folder_sidecar(path)
    if sidecar.axes != ("bscan", "depth", "ascan"):
        raise InputError("sidecar oct.json: key axes does not apply to a folder, whose images are B-scans: remove it")
    files = _in_order(_images(path, sidecar.files))
    spacing = spacing_mm or sidecar.spacing_mm
    if spacing is None:
        raise InputError(
            "found no spacing, which images do not carry: write the mm between B-scans, pixels in depth and A-scans "
            f"into oct.json, in this folder or beside it for all folders, such as {EXAMPLE}"
        )
    first = read_bscan(files[0])
    if first.size * len(files) > MAX_VOXELS:
        raise InputError(f"found {len(files)} images of {first.shape}, expected at most {MAX_VOXELS} voxels in all")
    voxels = np.empty((len(files), *first.shape), dtype=first.dtype)
    for index, file in enumerate(files):
        bscan = read_bscan(file)
        if bscan.shape != first.shape or bscan.dtype != first.dtype:
            expected = f"{first.dtype} {first.shape} as {files[0].name} has"
            raise InputError(f"{file.name}: found {bscan.dtype} {bscan.shape}, expected {expected}: export all alike")
        voxels[index] = bscan
    return OctVolume(voxels=sidecar.orient(voxels), spacing_mm=spacing, laterality=sidecar.laterality)


def _images(folder: Path, pattern: str | None) -> list[Path]:
    """The images of a folder; hidden files and files that are no images by name and content are passed over."""
    found = []
    for file in folder.glob(pattern or "*"):
        if file.name.startswith(".") or file.name.lower() in _NOT_SCANS or file.is_dir():
            continue
        if file.suffix.lower() in _SUFFIXES:
            found.append(file)
        elif file.is_file():
            with file.open("rb") as opened:
                if raster_format(opened.read(32)) in ("PNG", "JPEG", "TIFF"):
                    found.append(file)
    if len(found) < MIN_BSCANS:
        where = f" that match '{pattern}'" if pattern else ""
        raise InputError(f"found {len(found)} images{where}, expected a folder of at least {MIN_BSCANS} B-scans")
    return found


def _in_order(files: list[Path]) -> list[Path]:
    """The files by the one whole number in which their names differ; it must count without gap or repetition."""
    groups: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for file in files:
        groups[tuple(re.split(r"\d+", file.name))].append(file)
    if len(groups) > 1:
        odd, usual = min(groups.values(), key=len)[0], max(groups.values(), key=len)[-1]
        raise InputError(
            f"found names of several kinds, such as '{usual.name}' and '{odd.name}', expected B-scans alone: "
            'move the others away, or add a pattern to oct.json, such as "files": "*_image.jpg"'
        )
    numbers = {file: [int(digits) for digits in re.findall(r"\d+", file.name)] for file in files}
    columns = list(zip(*numbers.values(), strict=True))
    varying = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) != 1:
        raise InputError(f"found {len(varying)} numbers that vary in the names, expected one that counts the B-scans")
    by_number: dict[int, Path] = {}
    for file in sorted(files):
        number = numbers[file][varying[0]]
        if number in by_number:
            raise InputError(f"found B-scan {number} twice, '{by_number[number].name}' and '{file.name}': remove one")
        by_number[number] = file
    low, high = min(by_number), max(by_number)
    if high - low + 1 != len(by_number):
        missing = next(number for number in range(low, high) if number not in by_number)
        raise InputError(f"found {len(by_number)} B-scans from {low} to {high}, number {missing} is missing: add it")
    return [by_number[number] for number in range(low, high + 1)]


def read_bscan(file: Path) -> np.ndarray:
    """One B-scan (depth, A-scan), uint8 or uint16. Raises InputError for a damaged image or one that is not grey."""
    try:
        image, _ = open_raster(file)
    except InputError as error:
        raise InputError(f"{file.name}: {error}") from error
    except Exception as error:  # whatever a decoder raises on a damaged file
        raise InputError(f"{file.name}: cannot be decoded ({type(error).__name__}): copy it again") from error
    if image.mode == "P":
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if image.mode == "RGB" and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim != 2 or not (image.mode in ("L", "RGB") or image.mode.startswith("I;16")):
        raise InputError(f"{file.name}: found colour mode {image.mode}, expected grey: export the B-scan in grey")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
