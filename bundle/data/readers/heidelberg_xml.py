"""Heidelberg .xml: HEYEX's XML export, one TIFF a B-scan beside it. Name the .xml or the folder that holds it.

Of the document, only the one series of B-scans is looked at: its eye, device, positions and pixel sizes, and the last
part of each image's path, which is looked for beside the .xml and nowhere else. The patient's elements are not.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from bundle.data.laterality import normalise_eye
from bundle.data.readers.bscan_folder import read_bscan
from bundle.data.readers.heidelberg_document import bscan_numbers, only_series, parse_export
from bundle.data.readers.heidelberg_raster import raster_of_lines
from bundle.data.readers.records import MAX_VOXELS, OctVolume
from bundle.data.readers.sidecar import Sidecar, file_sidecar, folder_sidecar
from bundle.data.readers.vendor_sidecar import agreed_eye, vendor_sidecar
from bundle.errors import InputError

_MAKER = "Heidelberg Engineering"
_ROOT = re.compile(rb"<\0?H\0?E\0?D\0?X")


def is_heidelberg_xml(head: bytes, path: Path) -> bool:
    """Whether the file is a Heidelberg export, or the folder holds one."""
    return bool(_exports(path)) if path.is_dir() else _ROOT.search(head) is not None


def read_heidelberg_xml(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read a volume scan; `spacing_mm` (B-scan, depth, A-scan), then a sidecar's, replace what the document says.

    Raises InputError for several scans in one export, circle and radial scans, and images that are absent or of
    another size.
    """
    sidecar = vendor_sidecar(folder_sidecar(path) if path.is_dir() else file_sidecar(path))
    xml = _only_export(path)
    series, bscans = only_series(parse_export(xml))
    numbers = np.array([bscan_numbers(bscan, f"B-scan {index + 1}") for index, bscan in enumerate(bscans)])
    if (numbers[:, 4:] != numbers[0, 4:]).any():
        raise InputError("found B-scans of several sizes, expected one volume scan: export each scan on its own")
    distance_mm, reverse = raster_of_lines(numbers[:, :4].reshape(-1, 2, 2))
    n_ascans, n_depth = int(numbers[0, 4]), int(numbers[0, 5])
    model = (series.findtext("GeneralEquipment/ManufacturerModelName") or "").strip()
    ascan_mm, depth_mm = float(numbers[0, 6]), float(numbers[0, 7])
    if not 0 < n_ascans * n_depth * len(bscans) <= MAX_VOXELS:
        raise InputError(f"found {len(bscans)} B-scans of {n_depth} x {n_ascans}, expected at most {MAX_VOXELS} voxels")
    pixels = [_pixels(bscan, xml.parent, (n_depth, n_ascans), i + 1) for i, bscan in enumerate(bscans)]
    if len({bscan.dtype for bscan in pixels}) > 1:
        raise InputError("found B-scans of 8 and of 16 bits, expected all alike: export the scan again")
    return OctVolume(
        voxels=Sidecar(reverse=reverse).orient(np.stack(pixels)),
        spacing_mm=spacing_mm or sidecar.spacing_mm or (round(distance_mm, 6), depth_mm, ascan_mm),
        laterality=agreed_eye(_eyes(series, bscans) | {"the sidecar": sidecar.laterality}),
        device=_MAKER if model != "Spectralis" else f"{_MAKER} {model}",
    )


def _exports(folder: Path) -> list[Path]:
    found = []
    for file in sorted(folder.glob("*.[xX][mM][lL]")):
        if file.is_file() and not file.name.startswith("."):
            with file.open("rb") as opened:
                if _ROOT.search(opened.read(512)):
                    found.append(file)
    return found


def _only_export(path: Path) -> Path:
    found = _exports(path) if path.is_dir() else [path]
    if len(found) != 1:
        raise InputError(f"found {len(found)} Heidelberg .xml exports in the folder, expected one: name the .xml")
    return found[0]


def _pixels(bscan: ElementTree.Element, folder: Path, shape: tuple[int, int], number: int) -> np.ndarray:
    name = re.split(r"[\\/]", (bscan.findtext("ImageData/ExamURL") or "").strip())[-1]
    file = folder / name
    if name in ("", ".", "..") or not file.is_file():
        raise InputError(f"B-scan {number}: its image is not beside the .xml: copy the whole folder of the export")
    pixels = read_bscan(file)
    if pixels.shape != shape:
        raise InputError(f"B-scan {number}: found an image of {pixels.shape}, the .xml promises {shape}: export again")
    return pixels


def _eyes(series: ElementTree.Element, bscans: list[ElementTree.Element]) -> dict[str, str | None]:
    elements = {"the series": series} | {f"B-scan {index + 1}": bscan for index, bscan in enumerate(bscans)}
    return {where: normalise_eye(element.findtext("Laterality") or "") for where, element in elements.items()}
