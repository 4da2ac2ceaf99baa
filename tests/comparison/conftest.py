from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bundle.comparison import Cell, Outcome, Study
from bundle.comparison.methods import catalogue
from bundle.data import Cohort
from bundle.reporting import Predictions, write_json_atomic

SECRET = "CANARY"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twenty patients, two eyes each, MD from 0 to -19.5 dB; row 2 has no OCT. The images are stand-ins of one byte."""
    folder = tmp_path / "data"
    folder.mkdir()
    lines = ["patient_id,eye,oct,fundus,md_db,visit_date"]
    for i in range(40):
        (folder / f"{i}.npz").write_bytes(b"%d" % i)
        (folder / f"{i}.png").write_bytes(b"%d" % i)
        oct_file = "" if i == 0 else f"{i}.npz"
        lines.append(f"{SECRET}{i // 2},{('OD', 'OS')[i % 2]},{oct_file},{i}.png,{-i / 2},2020-01-02")
    path = folder / "manifest.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def study(manifest: Path, tmp_path: Path) -> Callable[..., Study]:
    """A study of the stand-in cohort; keyword arguments as in `Study`."""

    def make(**settings: object) -> Study:
        given = {"manifest": manifest, "out": tmp_path / "out", "methods": ("oct_only", "concat")}
        return Study(**{**given, **settings})  # type: ignore[arg-type]

    return make


@pytest.fixture
def methods_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of configs/methods."""
    folder = tmp_path / "methods"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "METHODS_FOLDER", folder)
    return folder


def finish(cell: Cell, bias_db: float = 1.0) -> Outcome:
    """A runner without a network: every validation and test eye is answered by its label plus `bias_db`.

    A trial answers validation eyes only, as in a real cell. Its done.json says a validation MSE of 4 `bias_db`^2.
    """
    cohort = Cohort(cell.overrides["manifest"], train_size=cell.overrides["train_size"])
    splits = ("validation",) if cell.trial is not None else ("validation", "test")
    items = [(name, item) for name in splits for item in cohort.items(name)]
    numbers: dict[str, int] = {}
    patient = {one.row: numbers.setdefault(one.patient_id, len(numbers)) for one in cohort.rows}
    label_db = np.array([item["label"] for _, item in items])
    answer_db = label_db + bias_db
    Predictions(
        row=np.array([item["row"] for _, item in items]), eye=np.array([item["eye"] for _, item in items]),
        split=np.array([name for name, _ in items]), patient=np.array([patient[item["row"]] for _, item in items]),
        label_db=label_db, pred_db={"oct+fundus": answer_db, "oct": answer_db, "fundus": answer_db},
    ).to_csv(cell.folder / "predictions.csv")  # fmt: skip
    facts = {"seconds": 2.0, "epochs": 3, "gradient_evaluations": 12, "commit": "abc", "val_mse": 4.0 * bias_db**2}
    write_json_atomic(cell.folder / "done.json", facts)
    return Outcome(cell, 0.1)


def one_thread() -> ThreadPoolExecutor:
    """In place of a process."""
    return ThreadPoolExecutor(1)
