"""Topcon .fda and .fds and Heidelberg .E2E, through panimg where a user has installed `requirements-vendor.txt`.

panimg reads what others found out about these formats; it is imported only when such a file is met. It states no eye
that can be trusted (none for Topcon, the last one in a file for .E2E), no pattern of the scan, and for .E2E a constant
spacing, which is not used. B-scans come in the file's order for Topcon, and reversed for .E2E, whose first one is
inferior as in the other Heidelberg formats; a sidecar's `reverse` turns what is not canonical.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bundle.data.readers.records import MIN_BSCANS, OctVolume
from bundle.data.readers.sidecar import EXAMPLE, Sidecar, file_sidecar
from bundle.data.readers.vendor_sidecar import vendor_sidecar
from bundle.data.readers.vendor_sizes import check_sizes
from bundle.errors import InputError

_NAMES = {
    b"FOCTFDA": "Topcon .fda",
    b"FOCTFDS": "Topcon .fds",
    b"FOCT": "Topcon .fda or .fds",
    b"CMDb": "Heidelberg .E2E",
}
_MIN_TOPCON_BSCANS = 32  # radial, cross and line scans, which panimg does not tell from volumes, have up to 12
_E2E_EMPTY = 65_398  # panimg's value of the reflectivity 1.99; above are pixels without a measurement


def is_vendor(head: bytes, path: Path) -> bool:
    """Whether the content is a Topcon or Heidelberg database file."""
    return head.startswith((b"FOCT", b"CMDb"))


def read_vendor(path: Path, spacing_mm: tuple[float, float, float] | None = None) -> OctVolume:
    """Read the one volume of a file; `spacing_mm` (B-scan, depth, A-scan), then a sidecar's, then Topcon's own counts.

    Raises InputError without the optional reader, for files that it cannot read or that hold several volumes, for
    Topcon files of fewer than 32 B-scans and for .E2E without a stated spacing.
    """
    with path.open("rb") as file:
        head = file.read(7)
    name = next(name for magic, name in _NAMES.items() if head.startswith(magic))
    is_e2e = head.startswith(b"CMDb")
    builder, simple_itk = _optional(name)
    check_sizes(path)
    try:
        with _quick_and_quiet_decoders():
            images = [image.image for image in builder.image_builder_oct(files={path})]
        volumes = [(simple_itk.GetArrayFromImage(image), image.GetSpacing()[::-1]) for image in images]
    except Exception as error:  # its messages may quote a header, so only the kind is told
        kind = type(error).__name__
        raise InputError(f"the optional reader cannot read this {name} ({kind}): damaged, cut short or new") from error
    voxels, stated_mm = _only_volume(volumes, MIN_BSCANS if is_e2e else _MIN_TOPCON_BSCANS)
    sidecar = vendor_sidecar(file_sidecar(path), may_reverse=True)
    spacing = spacing_mm or sidecar.spacing_mm or (None if is_e2e else stated_mm)
    if spacing is None:
        raise InputError(
            f"found {name}, of which no spacing is known, expected a sidecar beside it with the mm between B-scans, "
            f"pixels in depth and A-scans as the device shows them, such as {EXAMPLE}"
        )
    if is_e2e:
        voxels = Sidecar(reverse=("bscan",)).orient(np.where(voxels > _E2E_EMPTY, 0, voxels))
    return OctVolume(
        voxels=sidecar.orient(_smallest_type(voxels)),
        spacing_mm=spacing,
        laterality=sidecar.laterality,
        device="Heidelberg Engineering" if is_e2e else "Topcon",
    )


def _optional(name: str) -> tuple[Any, Any]:
    """panimg's OCT builder and SimpleITK."""
    try:
        return importlib.import_module("panimg.image_builders.oct"), importlib.import_module("SimpleITK")
    except (ImportError, OSError) as error:  # OSError: a shared library that one of its packages loads is absent
        raise InputError(
            f"found {name}, which needs the optional reader: pip install -r requirements-vendor.txt, "
            "or export the volume as DICOM or B-scan images"
        ) from error


@contextmanager
def _quick_and_quiet_decoders() -> Iterator[None]:
    """With pylibjpeg, which panimg decodes the B-scans of an .fda with.

    For each one, it looks through all installed packages for decoders, which takes 0.1 s, and it logs a traceback when
    one of them fails.
    """
    from pylibjpeg import utils as pylibjpeg  # only here, like panimg

    find, was_disabled = pylibjpeg.get_decoders, pylibjpeg.LOGGER.disabled
    pylibjpeg.get_decoders, pylibjpeg.LOGGER.disabled = cache(find), True
    try:
        yield
    finally:
        pylibjpeg.get_decoders, pylibjpeg.LOGGER.disabled = find, was_disabled


def _only_volume(volumes: list[tuple[np.ndarray, tuple[float, ...]]], least: int) -> tuple[np.ndarray, Any]:
    """The one volume of at least `least` B-scans, and the spacing (B-scan, depth, A-scan) stated with it."""
    rasters = [volume for volume in volumes if volume[0].ndim == 3 and len(volume[0]) >= least]
    if len(rasters) != 1:
        found = ", ".join(str(len(voxels)) for voxels, _ in volumes) or "no"
        raise InputError(
            f"found scans of {found} B-scans, expected one volume of at least {least}: line, radial and circle scans "
            "are no volumes; export one volume a file"
        )
    return rasters[0]


def _smallest_type(voxels: np.ndarray) -> np.ndarray:
    """uint8 where 8-bit grey values came as floating point, else uint16 or float32."""
    if voxels.dtype.kind == "f":
        is_grey = voxels.min() >= 0 and voxels.max() <= 255 and (voxels == np.rint(voxels)).all()
        return voxels.astype(np.uint8 if is_grey else np.float32)
    return voxels if voxels.dtype in (np.uint8, np.uint16) else voxels.astype(np.float32)
