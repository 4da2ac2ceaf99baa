"""Writes a phantom cohort to a folder: volumes, photographs, fields and a manifest."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bundle.data.phantom.cohort_files import Task, Written, csv_text, write_fields, write_patient, write_text
from bundle.data.phantom.phantom import Phantom
from bundle.data.phantom.presets import get_preset
from bundle.errors import InputError

VERSION = 1  # raised whenever the same parameters would give other pixels or labels
PARAMETERS_FILE = "phantom.json"
MANIFEST_FILE = "manifest.csv"
FIELDS_FILE = "fields.csv"
TEST_PATIENT_OFFSET = 10_000_000  # test patients are other people, and the same ones however many train
VALIDATION_SHARE = 0.15 / 0.85
PARALLEL_FROM_VOXELS = 200_000_000  # below this one process needs a few seconds, less than starting others


def make_phantom(
    out_dir: str | os.PathLike[str],
    preset: str = "default",
    seed: int = 0,
    n_patients: int | None = None,
    test_eyes: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> str:
    """Make a phantom cohort, or find it already made.

    Writes `oct/*.npz` (keys voxels, spacing_mm, laterality), `fundus/*.png`, `fields.csv` (54 thresholds an eye,
    right-eye order), `phantom.json` (the parameters) and, last of all and in one step, `manifest.csv`. A folder whose
    `phantom.json` has the same parameters is completed where it is unfinished and reused where it is finished.
    The files depend on the parameters only, not on the number of processes.

    Args:
        out_dir: folder to write; made if absent.
        preset: name of a `PhantomPreset`.
        seed: integer >= 0.
        n_patients: number of patients, default the preset's; about 1.94 eyes each.
        test_eyes: adds further patients with at least this many eyes as the test split and fills the column `split`
            (of the first patients 82 % train, 18 % validation). The test eyes do not depend on `n_patients`.
            None leaves the column out: the cohort is then split by patient when it is read.
        workers: processes; None = one for a small cohort, all cores for a large one.
        progress: show a bar when the output is a terminal.

    Returns:
        Path of the manifest as text, so that a config can use it as its `manifest`.

    Raises:
        InputError: a parameter is out of range, or the folder holds something else.
    """
    source = Phantom(preset, seed)
    tasks = plan_patients(source, n_patients, test_eyes)
    folder = Path(out_dir)
    claim_folder(
        folder,
        {
            "version": VERSION,
            "preset": source.preset.name,
            "seed": seed,
            "n_patients": get_preset(preset).n_patients if n_patients is None else n_patients,
            "test_eyes": test_eyes,
        },
    )
    manifest = folder / MANIFEST_FILE
    if manifest.exists():
        return str(manifest)
    rows: list[dict[str, str]] = []
    fields: list[np.ndarray] = []
    for patient_rows, patient_fields in _progress(
        _run(partial(write_patient, source, folder), tasks, source, workers), len(tasks), progress
    ):
        rows += patient_rows
        fields += patient_fields
    write_fields(folder / FIELDS_FILE, rows, fields)
    write_text(manifest, csv_text(list(rows[0]), [list(row.values()) for row in rows]))
    return str(manifest)


def plan_patients(source: Phantom, n_patients: int | None, test_eyes: int | None) -> list[Task]:
    """Which patients to draw, what they are called and which split they belong to."""
    count = source.preset.n_patients if n_patients is None else n_patients
    if count < 1 or (test_eyes is not None and test_eyes < 1):
        raise InputError(f"n_patients and test_eyes: found {count} and {test_eyes}, expected at least 1")
    if test_eyes is None:
        return [(i, f"P{i + 1:04d}", "") for i in range(count)]
    n_validation = round(count * VALIDATION_SHARE)
    tasks = [(i, f"P{i + 1:04d}", "validation" if i >= count - n_validation else "train") for i in range(count)]
    eyes, number = 0, 0
    while eyes < test_eyes:
        index = TEST_PATIENT_OFFSET + number
        eyes += len(source.examinations(index))
        number += 1
        tasks.append((index, f"T{number:04d}", "test"))
    return tasks


def claim_folder(folder: Path, parameters: dict[str, object]) -> None:
    """Make the folder ours, or refuse it: it must be new, empty, or of the same parameters."""
    record = folder / PARAMETERS_FILE
    # Listed before the record is looked for: another process may be starting the same cohort at this moment.
    occupied = folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir())
    if record.exists():
        found = json.loads(record.read_text(encoding="utf-8"))
        if found != parameters:
            different = ", ".join(f"{k} {found.get(k)!r}" for k in parameters if found.get(k) != parameters[k])
            raise InputError(
                f"{folder}: holds another phantom cohort ({different}), expected "
                f"{', '.join(f'{k} {v!r}' for k, v in parameters.items() if found.get(k) != v)}; "
                "choose another folder or delete this one"
            )
        return
    if occupied:
        raise InputError(f"{folder}: is not empty and holds no {PARAMETERS_FILE}; choose a new folder for the cohort")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(record, json.dumps(parameters, indent=2) + "\n")


def _run(work: partial[Written], tasks: list[Task], source: Phantom, workers: int | None) -> Iterator[Written]:
    """Results of all tasks in their order, from one process or several."""
    if workers is None:
        large = 2 * len(tasks) * int(np.prod(source.preset.oct.shape)) > PARALLEL_FROM_VOXELS
        workers = (os.cpu_count() or 1) if large else 1
    if workers <= 1:
        yield from map(work, tasks)
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        yield from pool.map(work, tasks, chunksize=4)


def _progress(results: Iterator[Written], total: int, wanted: bool) -> Iterator[Written]:
    hidden = not (wanted and sys.stderr.isatty())
    yield from tqdm(results, total=total, desc="phantom cohort", unit="patient", disable=hidden)
