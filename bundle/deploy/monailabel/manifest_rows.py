"""The studies of a cohort's manifest: what `scripts.ingest` writes can be served as it is."""

from __future__ import annotations

from pathlib import Path

from bundle.data.manifest import read_manifest
from bundle.deploy.monailabel.inside import is_inside
from bundle.deploy.monailabel.study import MODALITIES, Study
from bundle.errors import InputError


def studies_of_manifest(manifest: Path) -> dict[str, Study]:
    """The studies `row2`, `row3`, ... of a manifest (docs/own_data.md), by the row numbers that a spreadsheet shows.

    An id holds no patient identifier and no file name.

    Raises InputError for everything wrong with the manifest, and for a row with a file outside its folder.
    """
    root = manifest.parent.resolve()
    studies = {}
    for one in read_manifest(manifest, labels="optional"):
        images = {name: getattr(one, name) for name in MODALITIES}
        for modality, path in images.items():
            if path is not None and not is_inside(path, root):
                raise InputError(
                    f"manifest row {one.row}, column {modality}: found a file outside the studies folder, expected all "
                    "inside it, links included: copy it in"
                )
        studies[f"row{one.row}"] = Study(one.eye, *((path,) if path else () for path in images.values()))
    return studies
