"""The record of a training, a row an epoch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from math import isnan, nan
from pathlib import Path

import numpy as np

from bundle.metrics.arrays import FloatArray
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text, number_cell, parse_integer, parse_number, read_csv


class History:
    """Rows such as {"epoch": 1, "train_loss": 0.9, "val_mse": 14.2, "k_oct": 1.1}; the columns may differ by row.

    Epochs ascend. Appending an epoch that is already there, as a resumed training does, drops it and all later rows
    first.
    """

    def __init__(self, rows: Iterable[Mapping[str, float | None]] = ()) -> None:
        self.rows: list[dict[str, float]] = []
        for row in rows:
            self.append(row)

    def append(self, row: Mapping[str, float | None]) -> None:
        """Add one epoch; None is kept as NaN.

        Raises:
            ValueError: no "epoch".
        """
        if row.get("epoch") is None:
            raise ValueError(f"history row: no 'epoch' among {', '.join(row) or 'nothing'}")
        values = {key: nan if value is None else float(value) for key, value in row.items()}
        self.rows = [kept for kept in self.rows if kept["epoch"] < values["epoch"]]
        self.rows.append(values)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    @property
    def columns(self) -> list[str]:
        """All names: "epoch" first, then as they first appeared."""
        return list(dict.fromkeys(["epoch", *(key for row in self.rows for key in row)]))

    def column(self, name: str) -> FloatArray:
        """One value an epoch, (epochs,); NaN where a row lacks it, all NaN for an unknown name."""
        return np.array([row.get(name, nan) for row in self.rows], dtype=np.float64)

    def best_epoch(self, name: str) -> int | None:
        """The epoch with the lowest value of the column, or None without any value."""
        values = self.column(name)
        return None if np.isnan(values).all() else int(self.column("epoch")[np.nanargmin(values)])

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write atomically, with seven significant digits; what is unknown is an empty cell."""
        columns = self.columns
        cells = ([_cell(name, row.get(name, nan)) for name in columns] for row in self.rows)
        return write_text_atomic(path, csv_text(columns, cells))

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> History:
        """Read what `to_csv` wrote.

        Raises:
            InputError: a missing file, no column "epoch", or a cell that is not a number.
        """
        history = cls()
        for number, cells in enumerate(read_csv(path, ["epoch"]), start=2):
            row: dict[str, float] = {"epoch": parse_integer(cells["epoch"], path, number, "epoch")}
            values = {key: parse_number(text, path, number, key) for key, text in cells.items() if key != "epoch"}
            history.append(row | {key: value for key, value in values.items() if not isnan(value)})
        return history


def _cell(name: str, value: float) -> str:
    return str(int(value)) if name == "epoch" else number_cell(value)
