"""From a path in the manifest to a tensor in the acquired orientation."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from bundle.errors import InputError
from bundle.transforms.base import PresentKeysd, item_name

_log = logging.getLogger(__name__)


def agreed_eye(data: Mapping[Hashable, Any], path: Any, laterality: str | None) -> str | None:
    """The eye that the manifest and the file agree on ("OD", "OS"), or None where neither says.

    Raises:
        InputError: the two disagree.
    """
    # Imported late, like the readers below: bundle.data imports this package.
    from bundle.data.laterality import check_laterality

    eye = data.get("eye")
    if not eye:
        return laterality
    check_laterality({"row": data.get("row"), "eye": eye}, laterality, source=str(path))
    return str(eye)


class LoadOctd(PresentKeysd):
    """Read an OCT volume of any supported format.

    `item[key]`: path -> tensor (1, B-scan, depth, A-scan) in the grey values of the file, as acquired: uint8 where the
    file has bytes (a quarter of the memory until `ResampleToGridd` makes floats), else float32.
    `item[key + "_spacing_mm"]`: voxel size in mm in that order. `item["eye"]` is set from the file if the manifest
    has none.

    Args:
        keys: keys that hold paths.
        spacing_mm: voxel size (B-scan, depth, A-scan) in mm that replaces what the files say; None trusts them.
        allow_missing_keys: True skips an eye without a volume.

    Raises:
        InputError: a file that is not a usable volume, or that disagrees with the manifest about the eye.

    Example: `LoadOctd(keys="image")({"image": "a.npz", "eye": "OD", "row": 2})`
    """

    def __init__(
        self, keys: str | Sequence[str], spacing_mm: Sequence[float] | None = None, allow_missing_keys: bool = True
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if spacing_mm is not None and len(spacing_mm) != 3:
            raise InputError(f"LoadOctd: spacing_mm: found {list(spacing_mm)}, expected three (B-scan, depth, A-scan)")
        self.spacing_mm = None if spacing_mm is None else (spacing_mm[0], spacing_mm[1], spacing_mm[2])

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        from bundle.data.readers import read_oct

        result = dict(data)
        for key in self.present(data):
            volume = read_oct(data[key], spacing_mm=self.spacing_mm)
            result["eye"] = agreed_eye(result, data[key], volume.laterality)
            dtype = np.uint8 if volume.voxels.dtype == np.uint8 else np.float32
            result[key] = torch.from_numpy(np.require(volume.voxels, dtype, ["C", "W"]))[None]
            result[f"{key}_spacing_mm"] = tuple(float(s) for s in volume.spacing_mm)
        return result


class LoadFundusd(PresentKeysd):
    """Read a colour fundus photograph of any supported format.

    `item[key]`: path -> float32 tensor (3, height, width), red-green-blue, 0 to 1, row 0 superior, as acquired. What
    the reader had to convert (grey to colour, EXIF rotation) goes to the log. `item["eye"]` as in `LoadOctd`.

    Args:
        keys: keys that hold paths.
        allow_missing_keys: True skips an eye without a photograph.

    Raises:
        InputError: a file that is not a usable photograph, or that disagrees with the manifest about the eye.

    Example: `LoadFundusd(keys="fundus")({"fundus": "a.png", "eye": "OS", "row": 2})`
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        from bundle.data.readers import read_fundus

        result = dict(data)
        for key in self.present(data):
            photograph = read_fundus(data[key])
            if photograph.conversions:
                _log.info("%s: %s: %s", item_name(data), key, "; ".join(photograph.conversions))
            result["eye"] = agreed_eye(result, data[key], photograph.laterality)
            channels_first = np.ascontiguousarray(photograph.pixels.transpose(2, 0, 1), dtype=np.float32)
            result[key] = torch.from_numpy(channels_first).div_(255.0)
        return result
