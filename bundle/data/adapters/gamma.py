"""GAMMA (MICCAI 2021 challenge): macular OCT and colour photograph with a grade of glaucoma and no MD: for prediction.

    multi-modality_images/<ID>/<ID>.jpg                 photograph; ID has four digits: 0001
    multi-modality_images/<ID>/<ID>/<k>_image.jpg       256 B-scans
    glaucoma_grading_training_GT.xlsx                   data (the ID), non, early, mid_advanced (one of them is 1)

The grade (0, 1, 2) was set from the MD, but no MD can be had from three grades: it is kept in the column `grade`, and
the manifest has no md_db. 300 eyes of 276 patients, and no table says whose: two eyes of a patient count as two.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bundle.data.adapters.assumed_eyes import Eyes
from bundle.data.adapters.layout import find_folder, find_table, fingerprint, source_folder
from bundle.data.adapters.output import Output
from bundle.data.adapters.prepared import Cells, LeftOut, prepare
from bundle.data.adapters.tables import Row, by_id, id_number, read_rows
from bundle.data.adapters.triton import link_volume
from bundle.errors import InputError

GRADES = ("non", "early", "mid_advanced")
_TABLES = ("glaucoma_grading_training_GT", "glaucoma_grading_testing_GT")


def make_manifest(
    source: str | Path | None,
    out_dir: str | Path,
    eyes: str | Path | None = None,
    oct_sidecar: Mapping[str, object] | None = None,
    progress: bool = True,
) -> str:
    """Prepare GAMMA in `out_dir`; returns the path of manifest.csv (see `bundle.data.adapters.prepared`).

    source: the folder that holds multi-modality_images and, if any, the table of grades.
    eyes: CSV with the columns id and eye, as GAMMA does not state the eye; None enters all as OD.
    oct_sidecar: keys of the volumes' sidecar to replace (docs/own_data.md).
    Raises InputError for another layout, or a grade that is not one of three.
    """
    root = source_folder(source, "multi-modality_images")
    images, known = find_folder(root, "multi-modality_images"), Eyes(eyes)
    table = find_table([images.parent, images], *_TABLES)
    grades = {} if table is None else {n: _grade(row) for n, row in by_id(read_rows(table), "data").items()}
    folders = [path for path in sorted(images.iterdir()) if path.is_dir() and id_number(path.name) is not None]
    settings = {
        "dataset": "gamma", "source": fingerprint(root, [*([table] if table else []), *(p / p.name for p in folders)]),
        "eyes": known.fingerprint, "oct_sidecar": oct_sidecar,
    }  # fmt: skip
    makers = [partial(_eye, folder, grades, known, oct_sidecar) for folder in folders]
    return prepare(out_dir, settings, makers, known.notes, progress)


def _grade(row: Row) -> str:
    """0 without glaucoma, 1 early, 2 intermediate or advanced."""
    flags = [row.required(name, 0, 1, "") for name in GRADES]
    if sorted(flags) != [0, 0, 1]:
        raise InputError(f"{row.file}, row {row.number}: expected one 1 among {', '.join(GRADES)}: correct the row")
    return str(flags.index(1))


def _eye(
    folder: Path, grades: Mapping[int, str], known: Eyes, oct_sidecar: Mapping[str, object] | None, output: Output
) -> Cells | LeftOut:
    name = folder.name
    number = id_number(name) or 0
    oct_path = link_volume(output, name, folder / name, f"folder {name}", known.stated(number), oct_sidecar)
    if isinstance(oct_path, LeftOut):
        return oct_path
    photograph = folder / f"{name}.jpg"
    fundus = output.fundus_file(name, photograph) if photograph.is_file() else ""
    return {
        "patient_id": name, "eye": known.entered(number), "oct": oct_path, "fundus": fundus,
        "grade": grades.get(number, ""),
    }  # fmt: skip
