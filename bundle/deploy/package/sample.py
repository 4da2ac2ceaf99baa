"""Two simulated eyes that ship with the package, so that inference runs at once."""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path

from bundle.data.phantom import make_phantom
from bundle.deploy.zoo_rules import SAMPLE_MANIFEST

SEED = 1  # the default cohort is made with seed 0: no model trained on it has seen these eyes
COLUMNS = ("patient_id", "eye", "oct", "fundus", "md_db")


def write_sample_eyes(folder: Path) -> Path:
    """Write the best of a few right eyes and the worst left eye of another patient, with a manifest; returns its path.

    Args:
        folder: of the package.
    """
    manifest = folder / SAMPLE_MANIFEST
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(make_phantom(temporary, seed=SEED, n_patients=6, workers=1, progress=False))
        with made.open(encoding="utf-8", newline="") as file:
            eyes = list(csv.DictReader(file))
        right = max((eye for eye in eyes if eye["eye"] == "OD"), key=_md_db)
        left = min((eye for eye in eyes if eye["eye"] == "OS" and eye["patient_id"] != right["patient_id"]), key=_md_db)
        rows = [{column: eye[column] for column in COLUMNS} for eye in (right, left)]
        for row in rows:
            for column in ("oct", "fundus"):
                target = manifest.parent / row[column]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made.parent / row[column], target)
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def _md_db(eye: dict[str, str]) -> float:
    return float(eye["md_db"])
