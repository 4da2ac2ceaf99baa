"""What a network answered for each eye: the table from which every figure of a report follows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.metrics import STAGES, stage_index
from bundle.metrics.arrays import FloatArray, IntArray
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text, number_cell, parse_integer, parse_number, read_csv

SUBSETS: tuple[str, ...] = ("oct+fundus", "oct", "fundus")
SUBSET_TITLES: dict[str, str] = {"oct+fundus": "OCT + fundus", "oct": "OCT", "fundus": "Fundus"}
COLUMNS: tuple[str, ...] = (
    "row", "eye", "split", "patient", "label_db", "stage", "modalities", "pred_db", "error_db", "pred_oct_db",
    "pred_fundus_db", "pred_low_db", "pred_high_db",
)  # fmt: skip
NEWER = ("pred_low_db", "pred_high_db")  # older files lack them
TextArray = NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions of one network for n eyes.

    row: (n,) the eye's row in the manifest, as a spreadsheet counts (the first examination is row 2).
    eye: (n,) "OD" or "OS".  split: (n,) "train", "validation" or "test".
    patient: (n,) a number that two eyes share exactly if they are one patient's; never the patient's identifier.
    label_db: (n,) measured MD, NaN where unknown.
    pred_db: for each of `SUBSETS`, (n,) the answer from these modalities alone, dB; NaN where the eye lacks one of
        them. A subset that the network cannot answer from may be left out.
    low_db, high_db: (n,) limits of the prediction interval of `answer_db`, dB; NaN, or left out, where there is none.

    Raises:
        ValueError: columns of different lengths, an unknown subset, infinite values, or an eye without any prediction.
    """

    row: IntArray
    eye: TextArray
    split: TextArray
    patient: IntArray
    label_db: FloatArray
    pred_db: dict[str, FloatArray]
    low_db: FloatArray = field(default_factory=lambda: np.empty(0))
    high_db: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        unknown = sorted(set(self.pred_db) - set(SUBSETS))
        if unknown:
            raise ValueError(f"pred_db: found '{unknown[0]}', expected {', '.join(SUBSETS)}")
        for name, kind in (("row", np.int64), ("eye", np.str_), ("split", np.str_), ("patient", np.int64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind).reshape(-1))
        object.__setattr__(self, "label_db", _decibels(self.label_db))
        nothing = np.full(len(self), np.nan)
        object.__setattr__(self, "pred_db", {name: _decibels(self.pred_db.get(name, nothing)) for name in SUBSETS})
        for name in ("low_db", "high_db"):
            object.__setattr__(self, name, _decibels(getattr(self, name)) if getattr(self, name).size else nothing)
        self._check()

    def _check(self) -> None:
        columns = {"eye": self.eye, "split": self.split, "patient": self.patient, "label_db": self.label_db}
        columns |= {"low_db": self.low_db, "high_db": self.high_db}
        columns |= {f"pred_db['{name}']": values for name, values in self.pred_db.items()}
        for name, column in columns.items():
            if column.size != len(self):
                raise ValueError(f"{name}: found {column.size} values, expected {len(self)}, as many as rows")
        for name in [name for name, column in columns.items() if column.dtype.kind == "f"]:
            if np.isinf(columns[name]).any():
                raise ValueError(f"{name}: infinite at row {self.row[np.isinf(columns[name])][0]}, expected dB or NaN")
        silent = np.isnan(self.answer_db)
        if silent.any():
            raise ValueError(f"row {self.row[silent][0]}: no prediction from any modality")

    def __len__(self) -> int:
        return int(self.row.size)

    @property
    def answer_db(self) -> FloatArray:
        """The prediction that a user gets: from both modalities, else from the only one there is. (n,), dB."""
        both, oct_only, fundus_only = (self.pred_db[name] for name in SUBSETS)
        return np.where(np.isfinite(both), both, np.where(np.isfinite(oct_only), oct_only, fundus_only))

    @property
    def modalities(self) -> TextArray:
        """The subset that `answer_db` comes from, (n,)."""
        both, oct_only, fundus_only = SUBSETS
        from_one = np.where(np.isfinite(self.pred_db[oct_only]), oct_only, fundus_only)
        return np.where(np.isfinite(self.pred_db[both]), both, from_one)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which eyes have a measured MD, (n,)."""
        return np.isfinite(self.label_db)

    @property
    def stage(self) -> TextArray:
        """The measured stage's name, empty where MD is unknown, (n,)."""
        names = np.full(len(self), "", dtype=f"<U{max(map(len, STAGES))}")
        names[self.labelled] = np.array(STAGES)[stage_index(self.label_db[self.labelled])]
        return names

    def select(self, keep: NDArray[np.bool_] | IntArray) -> Predictions:
        """The eyes where `keep` (n,) is true, or those at the given positions, in that order."""
        return Predictions(
            row=self.row[keep], eye=self.eye[keep], split=self.split[keep], patient=self.patient[keep],
            label_db=self.label_db[keep], pred_db={name: values[keep] for name, values in self.pred_db.items()},
            low_db=self.low_db[keep], high_db=self.high_db[keep],
        )  # fmt: skip

    def of_split(self, split: str) -> Predictions:
        """The eyes of one split."""
        return self.select(self.split == split)

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write one row an eye, atomically, with seven significant digits; unknown numbers are empty cells."""
        answer = self.answer_db
        numbers = (
            self.label_db, answer, answer - self.label_db, self.pred_db["oct"], self.pred_db["fundus"], self.low_db,
            self.high_db,
        )  # fmt: skip
        label, *others = ([number_cell(float(x)) for x in column] for column in numbers)
        columns = (
            map(str, self.row), self.eye, self.split, map(str, self.patient), label, self.stage, self.modalities,
            *others,
        )  # fmt: skip
        return write_text_atomic(path, csv_text(COLUMNS, zip(*columns, strict=True)))

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> Predictions:
        """Read what `to_csv` wrote; `stage` and `error_db` are computed anew.

        Raises:
            InputError: a missing file or column, or a cell that is not what it should be.
        """
        rows = list(enumerate(read_csv(path, [name for name in COLUMNS if name not in NEWER]), start=2))

        def integers(column: str) -> IntArray:
            return np.array([parse_integer(cells[column], path, number, column) for number, cells in rows], np.int64)

        def decibels(column: str) -> FloatArray:
            return np.array(
                [parse_number(cells.get(column, ""), path, number, column) for number, cells in rows], np.float64
            )

        def text(column: str) -> TextArray:
            return np.array([cells[column] for _, cells in rows], dtype=np.str_)

        fused = np.where(text("modalities") == "oct+fundus", decibels("pred_db"), np.nan)
        return cls(
            row=integers("row"), eye=text("eye"), split=text("split"), patient=integers("patient"),
            label_db=decibels("label_db"),
            pred_db={"oct+fundus": fused, "oct": decibels("pred_oct_db"), "fundus": decibels("pred_fundus_db")},
            low_db=decibels("pred_low_db"), high_db=decibels("pred_high_db"),
        )  # fmt: skip


def _decibels(values: FloatArray) -> FloatArray:
    return np.asarray(values, dtype=np.float64).reshape(-1)
