"""Writes small folders in the exact layouts in which public data sets are published, with made-up eyes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from openpyxl import Workbook
from PIL import Image

N_BSCANS, DEPTH, WIDTH = 12, 40, 24  # more than ten B-scans: sorted by name, 10 comes before 2


def write_workbook(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(path)


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_photograph(path: Path, seed: int = 0, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (30, 40) if mode == "L" else (30, 40, 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)).save(path, quality=95)


def write_bscans(folder: Path, count: int = N_BSCANS) -> None:
    """`0_image.jpg` ...: B-scan k has the mean grey level 10 + 15 k, so that their order can be read back."""
    folder.mkdir(parents=True, exist_ok=True)
    ramp = np.linspace(-5, 5, DEPTH)[:, None]
    for k in range(count):
        pixels = np.repeat(10 + 15 * k + ramp, WIDTH, axis=1)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}_image.jpg", quality=95)


def write_stage(
    root: Path, edition: str = "stage2", ids: Sequence[int] = (1, 2, 7), md_db: Sequence[float] = (-1.5, -7.25, -20.0),
    validation: Sequence[int] = (201,), eyes: Sequence[str] = ("OD", "OS", "OD"),
) -> Path:  # fmt: skip
    """STAGE 2023 ("stage") or 2024 ("stage2"): folders are called 0001, the tables hold the number 1."""
    new = edition == "stage2"
    stages = ["normal", "early", "intermediate", "advanced"]
    header = ["ID", "gender", "age", "eye", "Glaucoma_stage"]
    for part, numbers in (("training", ids), ("validation", validation)):
        folder = root / f"STAGE_{part}"
        for number in numbers:
            write_bscans(folder / f"{part}_images" / f"{number:04d}")
            if new:
                write_photograph(folder / f"{part}_images" / f"{number:04d}" / f"{number:04d}.jpg", seed=number)
        short = "val" if new and part == "validation" else part
        rows = [[n, ("male", "female")[i % 2], 50 + i, eyes[i], stages[i % 4]] for i, n in enumerate(numbers)]
        if numbers:
            write_workbook(folder / f"data_info_{short}.xlsx", [header, *rows])
    labels = [["ID", "MD"], *([n, md] for n, md in zip(ids, md_db, strict=True))]
    place = root / "STAGE_training" / "training_GT"
    (write_csv if new else write_workbook)(place / f"task1_GT_training.{'csv' if new else 'xlsx'}", labels)
    return root


def write_gamma(root: Path, ids: Sequence[int] = (1, 2, 3)) -> Path:
    """GAMMA: the B-scans lie in a folder of the same name inside the eye's folder."""
    images = root / "Glaucoma_grading" / "training" / "multi-modality_images"
    for number in ids:
        name = f"{number:04d}"
        write_bscans(images / name / name)
        write_photograph(images / name / f"{name}.jpg", seed=number)
    rows = [[n, int(i % 3 == 0), int(i % 3 == 1), int(i % 3 == 2)] for i, n in enumerate(ids)]
    write_workbook(
        images.parent / "glaucoma_grading_training_GT.xlsx", [["data", "non", "early", "mid_advanced"], *rows]
    )
    return root


def cube(seed: int = 0) -> np.ndarray:
    """(B-scan, depth, A-scan) uint8 volume."""
    return np.random.default_rng(seed).integers(0, 255, (8, 24, 16), dtype=np.uint8)


def write_npz(path: Path, **arrays: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{key: np.asarray(value) for key, value in arrays.items()})


def write_harvard_gf(root: Path, md_db: Sequence[float] = (-1.5, -7.25, -20.0), split: str = "Training") -> Path:
    """Harvard-GF: no fundus key; the RNFL map holds -2 on the disc and -1 where it is missing."""
    for number, md in enumerate(md_db, start=1):
        rnflt = np.full((16, 16), 80.0)
        rnflt[4:8, 4:8], rnflt[0] = -2, -1
        write_npz(
            root / split / f"data_{number:04d}.npz", rnflt=rnflt, oct_bscans=cube(number), glaucoma=1, md=md,
            tds=np.full(52, md), age=61.5, male=1, race="Asian", maritalstatus=0, hispanic=0, language=0,
        )  # fmt: skip
    return root


def slo(shape: tuple[int, int] = (20, 20)) -> np.ndarray:
    """(H, W) uint8: brighter from left to right, a little darker from top to bottom."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (20 + 10 * x - 2 * y).clip(0, 255).astype(np.uint8)


def write_fairvision(
    root: Path, splits: Sequence[str] = ("Training", "Validation", "Test"), each: int = 2, jpeg: bool = True,
    md_db: Sequence[float] | None = None,
) -> Path:  # fmt: skip
    """FairVision's glaucoma part. md_db: of the table's column md, which some copies lack."""
    rows = []
    for number in range(1, each * len(splits) + 1):
        split = splits[(number - 1) // each]
        place = root / "Glaucoma" / split
        write_npz(
            place / f"data_{number:05d}.npz", glaucoma=number % 2, oct_bscans=cube(number), slo_fundus=slo().T, race=2,
            male=0, hispanic=0, maritalstatus=1, language=0,
        )  # fmt: skip
        if jpeg:
            write_photograph(place / f"slo_{number:05d}.jpg", seed=number, mode="L")
        rows.append([f"data_{number:05d}.npz", split.lower(), 60] + ([] if md_db is None else [md_db[number - 1]]))
    header = ["filename", "use", "age"] + ([] if md_db is None else ["md"])
    write_csv(root / "data_summary_glaucoma.csv", [header, *rows])
    return root


def write_fairvlmed(root: Path, splits: Sequence[str] = ("Training", "Validation", "Testing"), each: int = 2) -> Path:
    """FairVLMed: the picture and the MD in one file, no OCT."""
    for number in range(1, each * len(splits) + 1):
        write_npz(
            root / splits[(number - 1) // each] / f"data_{number:05d}.npz", slo_fundus=slo((20, 26)), md=-1.25 * number,
            tds=np.full(52, -number), age=60, gender=1, race=0, ethnicity=0, language=0, maritalstatus=0, glaucoma=1,
            note="free text",
        )  # fmt: skip
    return root


def write_papila(root: Path, md_db: Sequence[float | None] | None = (-2.5, None, -9.0)) -> Path:
    """PAPILA: both eyes of patients #002, #004, ...; three rows of headings. md_db None: without the column VF_MD."""
    count = 3 if md_db is None else len(md_db)
    last = [] if md_db is None else ["VF_MD"]
    groups = [None, "Age", "Gender", "Diagnosis", "Refractive_Defect", None, *last]
    names = [None, "Age", "Gender", "Diagnosis", "dioptre_1", "dioptre_2", *last]
    ids = ["ID", *[None] * (len(names) - 1)]
    for eye in ("OD", "OS"):
        rows = []
        for i in range(count):
            number = 2 * i + 2
            md = [] if md_db is None else [md_db[i]]
            rows.append([f"#{number:03d}", 60 + i, i % 2, i % 3, -1.5, 0.25, *md])
            write_photograph(root / "FundusImages" / f"RET{number:03d}{eye}.jpg", seed=number + (eye == "OS"))
        write_workbook(root / "ClinicalData" / f"patient_data_{eye.lower()}.xlsx", [groups, names, ids, *rows])
    return root
