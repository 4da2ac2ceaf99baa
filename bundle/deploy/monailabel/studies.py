"""The studies folder: which eyes can be asked for, and the files of one."""

from __future__ import annotations

from pathlib import Path

from bundle.deploy.monailabel.convention import find_studies
from bundle.deploy.monailabel.inside import is_inside
from bundle.deploy.monailabel.manifest_rows import studies_of_manifest
from bundle.deploy.monailabel.study import MODALITIES, Study, UnknownStudyError
from bundle.errors import InputError

MANIFEST = "manifest.csv"


class Studies:
    """A folder with a manifest.csv, or else with files named by the convention of `convention`.

    A manifest is read once, so that `row7` stays the same eye for as long as the server runs. Without one, the folder
    is listed at each request. Nothing is ever written.

    Args:
        root: the folder.

    Raises:
        InputError: no such folder, or a manifest that is wrong or leads out of it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise InputError(f"studies: {root} is no folder; give the one that holds the images")
        manifest = self.root / MANIFEST
        self._rows = studies_of_manifest(manifest) if manifest.is_file() else None

    def all(self) -> dict[str, Study]:
        """Every study by its id."""
        return find_studies(self.root) if self._rows is None else self._rows

    def get(self, study_id: object) -> Study:
        """The study of an id: one that the listing has, never a path made from what a client wrote.

        Raises:
            UnknownStudyError: no such study.
            InputError: several images for one modality, or a link that leads out of the folder.
        """
        study = self.all().get(study_id) if isinstance(study_id, str) else None
        if study is None:
            raise UnknownStudyError("image: found no such study, expected an id that GET /datastore/ lists")
        for modality in MODALITIES:
            path = study.image(modality)
            if path is not None and not is_inside(path, self.root):
                raise InputError(f"{modality}: found a link out of the studies folder: copy the file in")
        return study
