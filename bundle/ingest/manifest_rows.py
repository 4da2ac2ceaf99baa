"""The manifest of the copies: one row a visit, in an order that tells nothing of the sources'."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.data.manifest import read_manifest
from bundle.ingest.copies import Copied
from bundle.ingest.people import age_at, sex_of
from bundle.ingest.pseudonym import Pseudonyms
from bundle.ingest.records import Person, Visit
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text, number_cell

MANIFEST_FILE = "manifest.csv"
COLUMNS = (
    "patient_id", "eye", "oct", "fundus", "md_db", "visit_date", "age", "sex", "device", "quality",
    "days_to_oct", "days_to_fundus", "burned_in", "sha256_oct", "sha256_fundus",
)  # fmt: skip


def manifest_rows(
    visits: Sequence[Visit], copied: Mapping[int, Copied], people: Mapping[str, list[Person]], names: Pseudonyms
) -> list[tuple[Visit, dict[str, str]]]:
    """(visit, its cells) by pseudonym, eye and date; the first is row 2 of the manifest."""
    rows = [(visit, _cells(visit, copied, people[visit.field.person.key], names)) for visit in visits]
    return sorted(rows, key=lambda row: tuple(row[1][name] for name in ("patient_id", "eye", "visit_date")))


def _cells(visit: Visit, copied: Mapping[int, Copied], persons: list[Person], names: Pseudonyms) -> dict[str, str]:
    field = visit.field
    patient, day = field.person.key, field.taken.date()
    age = age_at(persons, field.person, day)
    quality = visit.oct.quality if visit.oct else None
    devices = [image.device for image in visit.images if image.device]
    cells = {
        "patient_id": names.patient(patient),
        "eye": field.eye,
        "md_db": number_cell(float("nan") if field.md_db is None else field.md_db),
        "visit_date": names.shifted(patient, day).isoformat(),
        "age": "" if age is None else str(age),
        "sex": sex_of(persons),
        "device": " + ".join(dict.fromkeys(devices)),
        "quality": "" if quality is None else number_cell(quality),
        "burned_in": " ".join(image.kind for image in visit.images if copied[image.number].burned_in),
    }
    for kind, image in (("oct", visit.oct), ("fundus", visit.fundus)):
        cells[kind] = copied[image.number].file if image else ""
        cells[f"sha256_{kind}"] = copied[image.number].sha256 if image else ""
        cells[f"days_to_{kind}"] = str((image.taken.date() - day).days) if image else ""
    return cells


def write_manifest(out: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """Write the manifest in one step, after it was read as a training reads it.

    Raises InputError for what a cohort may not hold; the manifest that was there before then stays.
    """
    part = out / f"{MANIFEST_FILE}.part"
    write_text_atomic(part, csv_text(COLUMNS, [[row[name] for name in COLUMNS] for row in rows]))
    read_manifest(part, verify_checksums=False)
    os.replace(part, out / MANIFEST_FILE)
    return out / MANIFEST_FILE
