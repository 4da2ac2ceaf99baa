"""The NPZ files of the Harvard Ophthalmology AI Lab: one eye of one subject a file, `data_00001.npz`, the keys by set.

    oct_bscans   (200, 200, 200) uint8: B-scan, depth, A-scan of a disc cube of 6 x 2 x 6 mm; empty in some files
    slo_fundus   scanning-laser picture of the fundus, grey
    md           Mean Deviation, dB
    rnflt        RNFL thickness map, -2 and -1 where there is none: not read

The authors' loaders allow pickle, which runs whatever code a file holds. Here nothing pickled is loaded: an array of
Python objects is refused by its header. The files state no spacing and no laterality. That the axes are B-scan, depth,
A-scan is how the authors' loaders iterate; 6 x 2 x 6 mm is the Cirrus optic-disc cube.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bundle.data.adapters.output import Output
from bundle.data.manifest_cells import MD_RANGE_DB
from bundle.data.readers.npz import declared_arrays
from bundle.data.readers.records import MIN_BSCANS

EXTENT_MM = (6.0, 2.0, 6.0)
_MAX_SMALL = 2**24  # elements of an array that is read here: scalars and one picture


class Unusable(Exception):
    """Why a file is left out; the message names no subject."""


class HarvardFile:
    """One file, its arrays declared by their headers. Raises `Unusable` for one that is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.declared = declared_arrays(path)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise Unusable(f"no readable NPZ ({type(error).__name__})") from error

    def array(self, key: str) -> np.ndarray | None:
        """A small array; None where the file lacks it. `Unusable` for a pickled, oversized or damaged one."""
        if key not in self.declared:
            return None
        shape, dtype = self.declared[key]
        if dtype.hasobject:
            raise Unusable(f"{key} is pickled Python objects, which can run code and are never loaded")
        if int(np.prod(shape, dtype=np.int64)) > _MAX_SMALL:
            raise Unusable(f"{key} is larger than expected")
        try:
            with np.load(self.path, allow_pickle=False) as file:
                return file[key]
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise Unusable(f"{key} is damaged") from error

    def md_db(self) -> str:
        """The key `md` as a manifest writes it; empty when absent or NaN. `Unusable` when it is no MD."""
        array = self.array("md")
        if array is None:
            return ""
        if array.size != 1 or array.dtype.kind not in "iuf":
            raise Unusable("md is not one number")
        value = float(array.item())
        if np.isnan(value):
            return ""
        if not MD_RANGE_DB[0] <= value <= MD_RANGE_DB[1]:
            raise Unusable(f"md is outside {MD_RANGE_DB} dB")
        return f"{value:.6g}"

    def link_volume(self, output: Output, eye: str | None, replaced: Mapping[str, object] | None) -> str:
        """Link the file as a volume; `Unusable` when `oct_bscans` is absent, empty or no volume of numbers."""
        if "oct_bscans" not in self.declared:
            raise Unusable("no key oct_bscans")
        shape, dtype = self.declared["oct_bscans"]
        if dtype.hasobject:
            raise Unusable("oct_bscans is pickled Python objects, which can run code and are never loaded")
        if 0 in shape or len(shape) != 3:
            raise Unusable("oct_bscans is empty" if 0 in shape else "oct_bscans is no volume")
        if shape[0] < MIN_BSCANS:
            raise Unusable("oct_bscans has too few B-scans")
        spacing_mm = [mm / n for mm, n in zip(EXTENT_MM, shape, strict=True)]
        sidecar: dict[str, object] = {"spacing_mm": spacing_mm} | ({"laterality": eye} if eye else {})
        return output.oct_file(self.path.stem, self.path, sidecar | dict(replaced or {}))

    def write_slo(self, output: Output, transposed: bool) -> str:
        """The picture `slo_fundus` as a PNG; "" when the file has none, `Unusable` for one of another kind.

        transposed: of a square picture, whether its first axis runs across; of others the shape tells, since the
            device's picture (664 x 512) is wider than high.
        """
        pixels = self.array("slo_fundus")
        if pixels is None or pixels.size == 0:
            return ""
        if pixels.ndim != 2 or pixels.dtype.kind not in "uif" or not np.isfinite(pixels).all():
            raise Unusable("slo_fundus is no grey picture")
        if pixels.min() < 0 or pixels.max() > 255:
            raise Unusable("slo_fundus is not within 0 to 255")
        height, width = pixels.shape
        if height > width or (height == width and transposed):
            pixels = pixels.T
        return output.fundus_pixels(self.path.stem, np.rint(pixels).astype(np.uint8))
