"""Writes a small folder in GRAPE's layout, with patients that are not in GRAPE."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

POINTS = [str(column) for column in range(60)]
BASELINE_COLUMNS = [
    "Subject Number", "Laterality", "Age", "Gender", "IOP", "MD", "Mean", "S", "N", "I", "T", "Corresponding CFP",
    *POINTS,
]  # fmt: skip
FOLLOW_UP_COLUMNS = ["Subject Number", "Laterality", "Visit Number", "Interval Years", "Corresponding CFP", *POINTS]


def field(sensitivity_db: float) -> dict[str, str]:
    """A field of one sensitivity at every point, -1 at the blind spot."""
    return {column: "-1" if column == "21" else f"{sensitivity_db:g}" for column in POINTS}


def baseline_row(subject: int, eye: str, **changes: str) -> dict[str, str]:
    """A baseline row of an ordinary eye; `changes` by column name, spaces written as underscores."""
    row = {
        "Subject Number": str(subject), "Laterality": eye, "Age": "60", "Gender": "F", "IOP": "16", "MD": "1",
        "Mean": "80", "S": "100", "N": "60", "I": "105", "T": "55", "Corresponding CFP": f"{subject}_{eye}_1.jpg",
        **field(20 + subject % 7),
    }  # fmt: skip
    return row | {name.replace("_", " "): value for name, value in changes.items()}


def follow_up_row(subject: int, eye: str, visit: int, photograph: str = "/", **changes: str) -> dict[str, str]:
    """A follow-up row, `visit - 1` years after baseline."""
    row = {
        "Subject Number": str(subject), "Laterality": eye, "Visit Number": str(visit),
        "Interval Years": str(visit - 1), "Corresponding CFP": photograph, **field(15),
    }  # fmt: skip
    return row | {name.replace("_", " "): value for name, value in changes.items()}


def write_table(path: Path, rows: list[dict[str, str]], columns: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_photograph(path: Path, seed: int = 0, size: int = 40) -> None:
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)


def write_grape(
    folder: Path, baseline: list[dict[str, str]], follow_ups: list[dict[str, str]] | None = None,
    photographs: tuple[str, ...] = (),
) -> Path:  # fmt: skip
    """A GRAPE folder with these rows and photographs; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "GRAPE_VF.csv", baseline, BASELINE_COLUMNS)
    if follow_ups is not None:
        write_table(folder / "GRAPE_FollowUps.csv", follow_ups, FOLLOW_UP_COLUMNS)
    for seed, name in enumerate(photographs):
        write_photograph(folder / "rois" / name, seed)
    return folder


def small_grape(folder: Path, patients: int = 12) -> Path:
    """Both eyes of several patients, all with photograph and RNFL that follows the field, one follow-up visit each."""
    baseline, follow_ups, names = [], [], []
    for subject in range(900, 900 + patients):
        for eye in ("OD", "OS"):
            mean_um = 60 + 5 * (subject % 7) + (eye == "OS")
            rnfl = {"Mean": str(mean_um), "S": str(mean_um + 20), "I": str(mean_um + 25)}
            baseline.append(baseline_row(subject, eye, **rnfl))
            names.append(f"{subject}_{eye}_1.jpg")
        follow_ups.append(follow_up_row(subject, "OD", 1, f"{subject}_OD_1.jpg"))
        follow_ups.append(follow_up_row(subject, "OD", 2, f"{subject}_OD_2.jpg"))
        names.append(f"{subject}_OD_2.jpg")
    return write_grape(folder, baseline, follow_ups, tuple(names))
