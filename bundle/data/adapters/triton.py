"""Macular volumes of STAGE and GAMMA: a folder with one grey JPEG a B-scan, `0_image.jpg` to `255_image.jpg`.

Topcon DRI OCT Triton, 256 B-scans over 3 x 3 mm; a pixel in depth is 2.6 um. The images carry none of this: a sidecar
states it. The B-scans are put in the order of their whole number by `read_bscan_folder`: sorted by name, or by the
first digit as in published loaders of STAGE, 255 of 256 would stand in another place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bundle.data.adapters.output import Output
from bundle.data.adapters.prepared import LeftOut
from bundle.data.readers.raster import open_raster
from bundle.data.readers.records import MIN_BSCANS
from bundle.errors import InputError

EXTENT_MM = (3.0, 3.0)  # across B-scans, along A-scans
DEPTH_MM = 0.0026
BSCANS = "*_image.jpg"


def link_volume(
    output: Output, name: str, folder: Path, source: str, eye: str | None, replaced: Mapping[str, object] | None
) -> str | LeftOut:
    """Link the B-scans in `folder` as the volume `name`; left out when they are absent, too few or not consecutive.

    source: what names the eye in messages. eye: "OD" or "OS" where the data set states it, else None.
    replaced: keys of the sidecar that the user states otherwise (docs/own_data.md), such as spacing_mm or reverse.
    """
    files = {_number(path): path for path in folder.glob(BSCANS)} if folder.is_dir() else {}
    if not files:
        return LeftOut(source, f"no folder with B-scans {BSCANS}")
    if len(files) < MIN_BSCANS or max(files) - min(files) + 1 != len(files):
        return LeftOut(source, "B-scans are missing")
    first = files[min(files)]
    try:
        image, _ = open_raster(first)
    except Exception:  # whatever a decoder raises on a damaged file
        return LeftOut(source, "the first B-scan cannot be decoded")
    bscan_mm, ascan_mm = EXTENT_MM[0] / len(files), EXTENT_MM[1] / image.width
    sidecar: dict[str, object] = {"spacing_mm": [bscan_mm, DEPTH_MM, ascan_mm], "files": BSCANS}
    if eye is not None:
        sidecar["laterality"] = eye
    return output.oct_folder(name, folder, sidecar | dict(replaced or {}))


def _number(path: Path) -> int:
    digits = re.match(r"\d+", path.name)
    if digits is None:
        raise InputError(f"{path.name}: found no number before _image.jpg, expected that of the B-scan: rename it")
    return int(digits[0])
