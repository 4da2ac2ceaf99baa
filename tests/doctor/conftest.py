"""A phantom cohort with a split, whose patients and files carry a mark that no output may show."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.data.phantom import make_phantom

SECRET = "CANARY"
Row = dict[str, str]


class Patient:
    """A copy of the cohort that a test makes ill: change `rows` and images, then `save`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, folder / "manifest.csv"
        with self.manifest.open(newline="") as file:
            self.rows: list[Row] = list(csv.DictReader(file))

    def save(self) -> Path:
        """Write the manifest again; returns its path."""
        with self.manifest.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in self.rows for name in row)))
            writer.writeheader()
            writer.writerows(self.rows)
        return self.manifest

    def path(self, index: int, modality: str) -> Path:
        """The image of a row; `index` counts from 0, so the manifest's row is two more."""
        return self.folder / self.rows[index][modality]

    def scan(self, index: int, change: Callable[[np.ndarray], np.ndarray], **other: object) -> None:
        """Change a volume; `other` replaces spacing_mm or laterality."""
        path = self.path(index, "oct")
        with np.load(path) as content:
            arrays = dict(content)
        np.savez(path, **{**arrays, "voxels": np.ascontiguousarray(change(arrays["voxels"])), **other})

    def photo(self, index: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change a photograph."""
        path = self.path(index, "fundus")
        Image.fromarray(np.ascontiguousarray(change(np.asarray(Image.open(path))))).save(path)


@pytest.fixture(scope="session")
def healthy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 33 eyes of 17 patients, 12 of them for training."""
    folder = tmp_path_factory.mktemp("doctor") / "cohort"
    make_phantom(folder, n_patients=13, test_eyes=8, workers=1)
    cohort = Patient(folder)
    for row in cohort.rows:
        for modality in ("oct", "fundus"):
            old = folder / row[modality]
            row[modality] = f"{modality}/{SECRET}{old.name}"
            old.rename(folder / row[modality])
        row["patient_id"] = SECRET + row["patient_id"]
    cohort.save()
    return folder


@pytest.fixture
def cohort(healthy_folder: Path, tmp_path: Path) -> Patient:
    return Patient(Path(shutil.copytree(healthy_folder, tmp_path / "cohort")))
