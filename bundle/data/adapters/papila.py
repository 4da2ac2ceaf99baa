"""PAPILA (Scientific Data 2022): disc photographs of both eyes, clinical data; the MD of some eyes, no OCT.

    FundusImages/RET002OD.jpg, RET002OS.jpg
    ClinicalData/patient_data_od.xlsx, patient_data_os.xlsx     three rows of headings, then a patient a row: #002

The headings stand in two of the three rows (groups such as refraction above their columns), so a column is found by
either. The column VF_MD is filled for some eyes; a copy without it serves prediction. Its sign is not documented: a
column that counts loss as positive is refused until `md_sign` is -1.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

from bundle.data.adapters.layout import find_folder, fingerprint, source_folder
from bundle.data.adapters.output import Output
from bundle.data.adapters.prepared import Cells, LeftOut, prepare
from bundle.data.adapters.tables import Row, by_id, id_number
from bundle.data.adapters.workbook import read_workbook
from bundle.data.examination import EYES
from bundle.errors import InputError

_ID = "ID"


def make_manifest(source: str | Path | None, out_dir: str | Path, md_sign: int = 1, progress: bool = True) -> str:
    """Prepare PAPILA in `out_dir`; returns the path of manifest.csv (see `bundle.data.adapters.prepared`).

    source: the folder that holds FundusImages and ClinicalData.
    md_sign: 1 takes VF_MD as it is, -1 turns it, for a column in which loss is positive.
    Raises InputError for another layout, a cell that is no MD, or a patient that is there twice.
    """
    root = source_folder(source, "FundusImages and ClinicalData")
    if md_sign not in (1, -1):
        raise InputError(f"md_sign: found {md_sign}, expected 1 or -1")
    images, clinical = find_folder(root, "FundusImages"), find_folder(root, "ClinicalData")
    photographs = {path.name.lower(): path for path in sorted(images.iterdir()) if path.is_file()}
    tables = {eye: clinical / f"patient_data_{eye.lower()}.xlsx" for eye in EYES}
    makers = [
        partial(_eye, row, eye, photographs, md_sign)
        for eye, path in tables.items()
        for row in by_id(read_clinical(path), _ID).values()
    ]
    settings = {
        "dataset": "papila", "source": fingerprint(root, [*tables.values(), *photographs.values()]), "md_sign": md_sign,
    }  # fmt: skip
    return prepare(out_dir, settings, makers, progress=progress)


def read_clinical(path: Path) -> list[Row]:
    """The patients of one table; cells by every heading above them, in lower case, and the first one as `ID`."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected the clinical table of PAPILA: check --source")
    headings: dict[int, set[str]] = defaultdict(set)
    rows: list[Row] = []
    for number, cells in read_workbook(path):
        if not rows and id_number(cells[0]) is None:
            for column, text in enumerate(cells):
                headings[column] |= {text.lower()} - {""}
            continue
        named = {name: text for column, text in enumerate(cells) for name in headings[column]}
        rows.append(Row(path.name, number, named | {_ID: cells[0]}))
    if not rows:
        raise InputError(f"{path.name}: found no row that begins with an identifier such as #002: copy the table again")
    return rows


def _eye(row: Row, eye: str, photographs: dict[str, Path], md_sign: int, output: Output) -> Cells | LeftOut:
    number = id_number(row.cells[_ID]) or 0
    photograph = photographs.get(f"ret{number:03d}{eye.lower()}.jpg")
    if photograph is None:
        return LeftOut(str(row), "no photograph of that patient and eye")
    return {
        "patient_id": f"{number:03d}", "eye": eye, "fundus": output.fundus_file(photograph.stem, photograph),
        "md_db": row.md_db("vf_md", md_sign), "age": row.text("age") or "",
    }  # fmt: skip
