"""The JSON file beside an OCT file that states what the file itself cannot: spacing, axis order, laterality."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from bundle.data.laterality import normalise_eye
from bundle.errors import InputError

AXES = ("bscan", "depth", "ascan")
EXAMPLE = '{"spacing_mm": [0.0117, 0.0026, 0.0059]}'
_KEYS = ("spacing_mm", "laterality", "axes", "reverse", "files")
_MAX_BYTES = 2**16


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """What a sidecar states; every key is optional.

    spacing_mm: spacing along (B-scan, depth, A-scan), whatever the axis order of the file.
    laterality: "OD" or "OS".
    axes: the names of the file's axes in its own order, a permutation of "bscan", "depth", "ascan".
    reverse: axes stored back to front: B-scans from inferior to superior, depth from choroid to vitreous, A-scans from
        right to left of the photograph.
    files: pattern of the B-scans' names in a folder that holds other images too, such as "*_image.jpg".
    """

    spacing_mm: tuple[float, float, float] | None = None
    laterality: str | None = None
    axes: tuple[str, ...] = AXES
    reverse: tuple[str, ...] = ()
    files: str | None = None

    def orient(self, voxels: np.ndarray) -> np.ndarray:
        """(B-scan, depth, A-scan), canonical direction and contiguous, of an array in the file's own order."""
        if voxels.ndim != 3:
            return voxels  # refused by OctVolume, which says what was found
        canonical = np.transpose(voxels, [self.axes.index(axis) for axis in AXES])
        flipped = np.flip(canonical, tuple(AXES.index(axis) for axis in self.reverse))
        return np.ascontiguousarray(flipped)  # torch takes no negative strides


def file_sidecar(path: Path) -> Sidecar:
    """The sidecar of a file: `eye.json` for eye.npz, eye.nii and eye.nii.gz."""
    name = path.name.removesuffix(".gz")
    return _load([path.with_name(Path(name).stem + ".json")])


def folder_sidecar(folder: Path) -> Sidecar:
    """The sidecar of a folder of B-scans: `oct.json` in it, else beside it (one for all folders of a data set)."""
    return _load([folder / "oct.json", folder.parent / "oct.json"])


def _load(candidates: list[Path]) -> Sidecar:
    for path in candidates:
        if path.is_file():
            try:
                return _parse(_read_json(path))
            except InputError as error:
                raise InputError(f"sidecar {path.name}: {error}") from error
    return Sidecar()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError("is larger than 64 KiB, which no sidecar is")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is no readable JSON, expected for instance {EXAMPLE}") from error
    if not isinstance(content, dict):
        raise InputError(f"found a {type(content).__name__}, expected an object such as {EXAMPLE}")
    return content


def _parse(content: dict[str, Any]) -> Sidecar:
    for key in content:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, n=1)
            fix = f"write {near[0]}" if near else "remove it"
            raise InputError(f"found the key '{key[:24]}', expected one of {', '.join(_KEYS)}: {fix}")
    fields: dict[str, Any] = {}
    if "spacing_mm" in content:
        fields["spacing_mm"] = parse_spacing(content["spacing_mm"])
    if "laterality" in content:
        fields["laterality"] = parse_laterality(content["laterality"])
    if "axes" in content:
        fields["axes"] = _parse_axes(content["axes"])
    if "reverse" in content:
        reverse = content["reverse"]
        if not isinstance(reverse, list) or not set(map(str, reverse)) <= set(AXES):
            raise InputError(f"key reverse: expected a list of {', '.join(AXES)}")
        fields["reverse"] = tuple(reverse)
    if "files" in content:
        if not isinstance(content["files"], str) or not content["files"] or "/" in content["files"]:
            raise InputError('key files: expected a pattern of names such as "*_image.jpg"')
        fields["files"] = content["files"]
    return Sidecar(**fields)


def parse_spacing(value: Any) -> tuple[float, float, float]:
    """Three positive finite numbers (B-scan, depth, A-scan) in mm. Raises InputError for anything else."""
    numbers = value if isinstance(value, list | tuple) else [value]
    usable = all(isinstance(mm, int | float) and not isinstance(mm, bool) and 0 < mm < np.inf for mm in numbers)
    if len(numbers) != 3 or not usable:
        raise InputError("key spacing_mm: expected three positive numbers in mm (B-scan, depth, A-scan)")
    bscan, depth, ascan = map(float, numbers)
    return bscan, depth, ascan


def parse_laterality(value: Any) -> str:
    """ "OD" or "OS" for any usual spelling. Raises InputError for anything else."""
    eye = normalise_eye(value) if isinstance(value, str) else None
    if eye is None:
        raise InputError("key laterality: expected OD or OS")
    return eye


def _parse_axes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or sorted(map(str, value)) != sorted(AXES):
        raise InputError(f"key axes: expected {', '.join(AXES)}, each once, in the file's order")
    return tuple(value)
