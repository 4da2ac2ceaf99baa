"""STAGE 2023 (MICCAI challenge, Baidu AI Studio): macular OCT volumes with MD, no photographs.

    STAGE_training/training_images/<ID>/<k>_image.jpg       256 B-scans; ID has four digits: 0001
    STAGE_training/training_GT/task1_GT_training.xlsx       ID as a number: 1; MD in dB in the second column
    STAGE_training/data_info_training.xlsx                  ID, gender, age, eye, stage
    STAGE_validation/validation_images/<ID>/                no MD is published
    STAGE_validation/data_info_validation.xlsx

The stage is not read: it is a class of the MD, so with it as an input a network is told the answer. An ID is an eye; no
table names the patient, so each ID counts as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from bundle.data.adapters.layout import find_folder, find_optional_folder, fingerprint, needed_table, source_folder
from bundle.data.adapters.output import Output
from bundle.data.adapters.prepared import Cells, LeftOut, prepare
from bundle.data.adapters.tables import Row, by_id, column_of_eyes, id_number, read_rows
from bundle.data.adapters.triton import link_volume
from bundle.data.laterality import normalise_eye
from bundle.errors import InputError

Edition = Literal["stage", "stage2"]
Made = Callable[[Output], Cells | LeftOut]
_SEXES = ("male", "female")


def make_manifest(
    source: str | Path | None,
    out_dir: str | Path,
    oct_sidecar: Mapping[str, object] | None = None,
    progress: bool = True,
) -> str:
    """Prepare STAGE 2023 in `out_dir`; returns the path of manifest.csv (see `bundle.data.adapters.prepared`).

    source: the folder that holds STAGE_training and, if any, STAGE_validation; it is read and not written to.
    oct_sidecar: keys of the volumes' sidecar to replace, such as {"reverse": ["bscan"]} (docs/own_data.md).
    Raises InputError for another layout, a cell that is no MD, an ID that is there twice.
    """
    return prepare_stage("stage", source, out_dir, oct_sidecar, progress)


def prepare_stage(
    edition: Edition, source: str | Path | None, out_dir: str | Path, oct_sidecar: Mapping[str, object] | None,
    progress: bool,
) -> str:  # fmt: skip
    """As `make_manifest`, for either edition: 2023 has volumes alone, 2024 (stage2) a photograph in each folder too."""
    root = source_folder(source, "STAGE_training and STAGE_validation")
    training = find_folder(root, "training_images")
    labels_path = needed_table([training.parent / "training_GT", training.parent], "task1_GT_training")
    groups = [(training, needed_table([training.parent], "data_info_training"))]
    validation = find_optional_folder(root, "validation_images")
    if validation is not None:
        table = needed_table([validation.parent], "data_info_validation", "data_info_val")
        groups.append((validation, table))
    md_db = _labels(labels_path)
    eyes: list[Made] = []
    notes: list[str] = []
    images: list[Path] = []
    for folder, table in groups:
        folders = {id_number(path.name): path for path in sorted(folder.iterdir()) if path.is_dir()}
        _check_edition(edition, folders.values())
        images += folders.values()
        rows = read_rows(table)
        column, known = column_of_eyes(rows), by_id(rows, next(iter(rows[0].cells)))
        for number, row in known.items():
            label = md_db.get(number, "") if folder == training else ""
            eyes.append(partial(_eye, row, column, label, folders.get(number), oct_sidecar))
        unknown = len(md_db.keys() - known.keys()) if folder == training else 0
        if unknown:
            notes.append(f"left out {unknown} with an MD: no row in {table.name}, so the eye is unknown")
    settings = {
        "dataset": edition, "source": fingerprint(root, [labels_path, *(table for _, table in groups), *images]),
        "oct_sidecar": oct_sidecar,
    }  # fmt: skip
    return prepare(out_dir, settings, eyes, notes, progress)


def _check_edition(edition: Edition, folders: Iterable[Path]) -> None:
    photographs = [(path / f"{path.name}.jpg").is_file() for path in folders]
    if edition == "stage" and any(photographs):
        raise InputError("source: found photographs, so this is STAGE 2024: use configs/data/stage2.yaml")
    if edition == "stage2" and not any(photographs):
        raise InputError("source: found no photograph <ID>.jpg, so this is STAGE 2023: use configs/data/stage.yaml")


def _labels(path: Path) -> dict[int, str]:
    """MD in dB by ID: the first column and the second, as their names differ between editions."""
    rows = read_rows(path, ("ID",))
    columns = list(rows[0].cells) if rows else []
    if len(columns) < 2:
        raise InputError(f"{path.name}: found {len(columns)} columns, expected ID and MD: copy the table again")
    return {number: row.md_db(columns[1]) for number, row in by_id(rows, columns[0]).items()}


def _eye(
    row: Row, eye_column: str, md_db: str, folder: Path | None, oct_sidecar: Mapping[str, object] | None, output: Output
) -> Cells | LeftOut:
    if folder is None:
        return LeftOut(str(row), "no folder of that ID")
    eye = normalise_eye(row.cells[eye_column])
    name = f"{folder.parent.name.removesuffix('_images')}_{folder.name}"  # the parts may count their eyes anew
    oct_path = link_volume(output, name, folder, str(row), eye, oct_sidecar)
    if isinstance(oct_path, LeftOut):
        return oct_path
    photograph = folder / f"{folder.name}.jpg"
    fundus = output.fundus_file(name, photograph) if photograph.is_file() else ""
    cells = {"patient_id": name, "eye": eye or "", "oct": oct_path, "fundus": fundus, "md_db": md_db}
    return cells | _person(row)


def _person(row: Row) -> dict[str, str]:
    """Age and sex, whatever their columns are called; the stage is passed over."""
    by_name = {name.lower(): text for name, text in row.cells.items()}
    sex = next((by_name[name].lower() for name in ("gender", "sex") if name in by_name), "")
    return {"age": by_name.get("age", ""), "sex": sex if sex in _SEXES else ""}
