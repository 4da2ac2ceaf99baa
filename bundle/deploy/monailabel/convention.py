"""Which files of a folder are the OCT and the fundus photograph of one eye, by their names alone.

    <id>_oct.<ext>, <id>_fundus.<ext>       two files; the OCT may be a folder of B-scans or DICOM files, <id>_oct/
    <id>/oct.<ext>, <id>/fundus.<ext>       a folder a study; again oct/ may be a folder

One of the two may be missing. The eye is `OD` or `OS` as a word of the id (`17_OD`), else what the files state.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bundle.data.laterality import eye_in_file_name
from bundle.deploy.monailabel.study import MODALITIES, Study

_BESIDE = re.compile(r"(?P<study>.+)_(?P<modality>oct|fundus)(\.\w+){0,2}", re.IGNORECASE)
_WITHIN = re.compile(r"(?P<modality>oct|fundus)(\.\w+){0,2}", re.IGNORECASE)
_NO_IMAGES = {".json", ".xml"}  # sidecars; and Heidelberg's .xml, which belongs in a folder with its TIFFs


def find_studies(root: Path) -> dict[str, Study]:
    """The studies of a folder by id, in the order of their names. No file is opened.

    Passed over: hidden entries, names that are no printable text, and whatever the convention does not name.
    """
    images: dict[str, dict[str, list[Path]]] = defaultdict(lambda: {name: [] for name in MODALITIES})
    for entry in _visible(root):
        for study, modality, path in _named(entry):
            images[study][modality].append(path)
    return {
        study: Study(eye_in_file_name(Path(study)), **{name: tuple(paths) for name, paths in found.items()})
        for study, found in images.items()
    }


def is_conventional(name: str) -> bool:
    """Whether a file in a study's folder has a name of the convention (`oct.npz`), which tells nothing of a person."""
    return _WITHIN.fullmatch(name) is not None


def _named(entry: Path) -> Iterator[tuple[str, str, Path]]:
    """(study id, modality, path) of each image that an entry of the studies folder is or holds."""
    beside = _BESIDE.fullmatch(entry.name)
    if beside:
        yield beside["study"], beside["modality"].lower(), entry
    elif entry.is_dir() and not entry.is_symlink():
        for path in _visible(entry):
            within = _WITHIN.fullmatch(path.name)
            if within:
                yield entry.name, within["modality"].lower(), path


def _visible(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.isprintable() and not path.name.startswith(".") and path.suffix.lower() not in _NO_IMAGES
    )
