"""The files of a phantom cohort: volumes, photographs and fields of one patient, each written in one step."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from bundle.data.perimetry import N_POINTS
from bundle.data.phantom.phantom import Phantom, PhantomExamination

Task = tuple[int, str, str]  # patient index, patient id, split ("" = left to the cohort's own split)
Written = tuple[list[dict[str, str]], list[np.ndarray]]  # manifest rows and measured fields of one patient


def write_patient(source: Phantom, folder: Path, task: Task) -> Written:
    """Write the files of one patient that are not there yet; returns manifest rows and measured fields."""
    index, patient_id, split = task
    rows, fields = [], []
    for examination in source.examinations(index):
        name = f"{patient_id}_{examination.eye}"
        oct_path, fundus_path = folder / "oct" / f"{name}.npz", folder / "fundus" / f"{name}.png"
        if not (oct_path.exists() and fundus_path.exists()):
            write_images(source, examination, oct_path, fundus_path)
        row = {
            "patient_id": patient_id,
            "eye": examination.eye,
            "oct": f"oct/{name}.npz",
            "fundus": f"fundus/{name}.png",
            "md_db": f"{examination.md_db:.2f}",
            "age": f"{examination.patient.age_years:.1f}",
            "sex": examination.patient.sex,
            "visit_date": examination.visit_date.isoformat(),
            "quality": f"{examination.oct_anatomy.signal_strength:.1f}",
        }
        rows.append(row | ({"split": split} if split else {}))
        fields.append(examination.hidden.field.measured_db)
    return rows, fields


def write_images(source: Phantom, examination: PhantomExamination, oct_path: Path, fundus_path: Path) -> None:
    """Write volume and photograph, each in one step, so that a file that exists is whole."""
    voxels, pixels = source.render(examination)
    for path in (oct_path, fundus_path):
        path.parent.mkdir(exist_ok=True)
    temporary = oct_path.with_name(f".{oct_path.stem}.{os.getpid()}.npz")
    np.savez(
        temporary,
        voxels=voxels,
        spacing_mm=np.array(source.preset.oct.spacing_mm),
        laterality=np.array(examination.eye),
    )
    os.replace(temporary, oct_path)
    temporary = fundus_path.with_name(f".{fundus_path.stem}.{os.getpid()}.png")
    Image.fromarray(pixels).save(temporary)
    os.replace(temporary, fundus_path)


def write_fields(path: Path, rows: list[dict[str, str]], fields: list[np.ndarray]) -> None:
    """Write the thresholds behind the labels: patient_id, eye, l1 to l54 in dB, right-eye order for both eyes."""
    header = ["patient_id", "eye"] + [f"l{i}" for i in range(1, N_POINTS + 1)]
    write_text(
        path,
        csv_text(
            header,
            [
                [row["patient_id"], row["eye"], *(f"{v:.0f}" for v in values)]
                for row, values in zip(rows, fields, strict=True)
            ],
        ),
    )


def csv_text(header: list[str], rows: list[list[str]]) -> str:
    """Comma-separated text; no value here holds a comma."""
    return "\n".join(",".join(row) for row in [header, *rows]) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step, so that a file that exists is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
