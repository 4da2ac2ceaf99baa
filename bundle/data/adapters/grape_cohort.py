"""Writes GRAPE visits as a cohort: a folder with photographs, rendered OCT volumes and the manifest, written last."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from bundle.data import perimetry_g1
from bundle.data.adapters.grape import BASELINE_FILE, FOLLOW_UP_FILE, GrapeVisit
from bundle.data.adapters.grape_bridge import bridge_oct
from bundle.data.adapters.prepared import LeftOut
from bundle.data.manifest import read_manifest
from bundle.data.manifest_cells import MD_RANGE_DB
from bundle.data.phantom.anatomy import OctGeometry
from bundle.errors import InputError

Modalities = Literal["both", "fundus", "oct"]
SETTINGS_FILE = "grape.json"
MANIFEST_FILE = "manifest.csv"
BRIDGE_GEOMETRY = OctGeometry(shape=(32, 128, 64))
RNFL_COLUMNS = ("rnfl_mean_um", "rnfl_s_um", "rnfl_n_um", "rnfl_i_um", "rnfl_t_um")
_COLUMNS = (
    "patient_id", "eye", "oct", "fundus", "md_db", "visit", "age", "sex", "device",
    "mean_sensitivity_db", *RNFL_COLUMNS, "sha256_oct", "sha256_fundus",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a cohort is made from; two cohorts with equal settings are equal."""

    tables_sha256: str
    visits: str
    modalities: Modalities
    seed: int
    oct_shape: tuple[int, int, int]


def tables_digest(source: Path) -> str:
    """SHA-256 of the GRAPE tables in a folder."""
    digest = hashlib.sha256()
    for name in (BASELINE_FILE, FOLLOW_UP_FILE):
        if (source / name).is_file():
            digest.update((source / name).read_bytes())
    return digest.hexdigest()


def is_ready(out: Path, settings: Settings) -> bool:
    """Whether `out` already holds this cohort, complete; False for a new, empty or half-written folder.

    Raises InputError when `out` holds something else, or this cohort with a file that is missing or changed.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / SETTINGS_FILE).is_file():
        raise InputError(f"{out}: found files that are no GRAPE cohort, expected a new folder: choose another --out")
    found = json.loads((out / SETTINGS_FILE).read_text())
    wanted = json.loads(json.dumps(asdict(settings)))
    different = [key for key in wanted if found.get(key) != wanted[key]]
    if different:
        raise InputError(
            f"{out}: found a cohort with another {different[0]}, expected the same or none: "
            "choose another --out, or delete the folder"
        )
    if not (out / MANIFEST_FILE).is_file():
        return False
    read_manifest(out / MANIFEST_FILE)
    return True


def write_cohort(
    visits: Iterable[GrapeVisit], out: Path, settings: Settings, on_visit: Callable[[], object] = lambda: None
) -> list[LeftOut]:
    """Write the cohort; returns the visits left out. The manifest appears only when everything else is there.

    on_visit: called after each visit, for a progress bar.
    Raises InputError when no visit is left, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_bytes(out / SETTINGS_FILE, json.dumps(asdict(settings), indent=2).encode())
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}): choose another --out") from error
    rows, left_out = [], []
    for visit in visits:
        result = _write_visit(visit, out, settings)
        if isinstance(result, LeftOut):
            left_out.append(result)
        else:
            rows.append(result)
        on_visit()
    if not rows:
        raise InputError(f"no visit of the source has what '{settings.modalities}' needs: check tables and photographs")
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    part = out / (MANIFEST_FILE + ".part")
    part.write_text(text.getvalue())
    read_manifest(part)
    os.replace(part, out / MANIFEST_FILE)
    return left_out


def _write_visit(visit: GrapeVisit, out: Path, settings: Settings) -> dict[str, object] | LeftOut:
    md_db = perimetry_g1.mean_deviation_db(visit.sensitivities_db, visit.age_years)
    if not MD_RANGE_DB[0] <= md_db <= MD_RANGE_DB[1]:
        return LeftOut(visit.source, f"mean deviation {md_db:.1f} dB is outside {MD_RANGE_DB} dB")
    photograph = _photograph_bytes(visit) if settings.modalities != "oct" else None
    with_oct = settings.modalities != "fundus" and visit.rnfl is not None
    if photograph is None and not with_oct:
        return LeftOut(visit.source, "no readable photograph" if settings.modalities != "oct" else "no RNFL")
    row: dict[str, object] = {
        "patient_id": f"G{visit.subject}", "eye": visit.eye, "md_db": f"{md_db:.3f}", "visit": visit.visit,
        "age": f"{visit.age_years:.5g}", "sex": visit.sex or "", "device": "GRAPE",
        "mean_sensitivity_db": f"{perimetry_g1.mean_sensitivity_db(visit.sensitivities_db):.3f}",
    }  # fmt: skip
    if visit.rnfl is not None:
        row |= dict(zip(RNFL_COLUMNS, (f"{value:g}" for value in asdict(visit.rnfl).values()), strict=True))
    stem = f"G{visit.subject}_{visit.eye}_{visit.visit}"
    if with_oct:
        try:
            row |= _written("oct", out, f"oct/{stem}.npz", _oct_bytes(visit, settings))
        except InputError:  # the renderer refuses quadrants that no smooth profile has
            return LeftOut(visit.source, "its RNFL quadrants differ too much for a smooth profile")
    if photograph is not None and visit.photograph is not None:
        row |= _written("fundus", out, f"fundus/{stem}{visit.photograph.suffix.lower()}", photograph)
    return row


def _photograph_bytes(visit: GrapeVisit) -> bytes | None:
    """The photograph's file as it is, or None when there is none or it does not decode."""
    if visit.photograph is None:
        return None
    try:
        data = visit.photograph.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
    return data


def _oct_bytes(visit: GrapeVisit, settings: Settings) -> bytes:
    geometry = OctGeometry(shape=settings.oct_shape)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, voxels=bridge_oct(visit, geometry, settings.seed),
        spacing_mm=np.asarray(geometry.spacing_mm, dtype=np.float64), laterality=np.array(visit.eye),
    )  # fmt: skip
    return buffer.getvalue()


def _written(modality: str, out: Path, name: str, data: bytes) -> dict[str, object]:
    """Write one image and return its two cells of the manifest."""
    (out / name).parent.mkdir(exist_ok=True)
    _write_bytes(out / name, data)
    return {modality: name, f"sha256_{modality}": hashlib.sha256(data).hexdigest()}


def _write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
