"""Validation and test eyes of a toy, and the end of a training that judges a chosen model with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from torch.utils.data import DataLoader

from bundle.data import Cohort
from bundle.data.examination import Examination
from bundle.deploy.model_folder import load_model, save_model
from bundle.engines.subset_inferer import SubsetInferer
from bundle.networks import MDRegressor
from bundle.transforms import SplitSubsetsd
from tests.toy import toy_batches, toy_regressor

SUBSETS = ("oct+fundus", "oct", "fundus")
N_VALIDATION, N_TEST = 30, 10
VALIDATION, TEST = slice(0, N_VALIDATION), slice(N_VALIDATION, N_VALIDATION + N_TEST)
EXTRA = {"version": "test", "selection": {"epoch": 3, "val_mse": 4.5}}


def eyes() -> dict[str, Any]:
    """Rows 2 to 31 are validation, 32 to 41 test; some of each lack an image."""
    return toy_batches(1, N_VALIDATION + N_TEST, eyes={"oct": [3, 35], "fundus": [5, 36]})[0]


def cohort_of(batch: dict[str, Any], test_shift_db: float = 0.0) -> Cohort:
    rows = []
    for i, row in enumerate(batch["row"]):
        test = i >= N_VALIDATION
        md_db = float(batch["label"][i].clamp(-30, 0)) + (test_shift_db if test else 0.0)
        split = "test" if test else "validation"
        rows.append(
            Examination(
                row=row, patient_id=f"p{i}", eye="OD", oct=Path("o"), fundus=Path("f"), md_db=md_db, split=split
            )
        )
    return Cohort.from_examinations(rows, {one.row: str(one.split) for one in rows})


def evaluator(network: MDRegressor, batch: dict[str, Any]) -> SupervisedEvaluator:
    items = [{key: values[i] for key, values in batch.items()} for i in range(N_VALIDATION)]
    return SupervisedEvaluator(
        device=torch.device("cpu"), val_data_loader=DataLoader(items, batch_size=8), network=network,  # type: ignore[arg-type]
        prepare_batch=PrepareBatchExtraInput({"fundus": "fundus"}), inferer=SubsetInferer(),
        postprocessing=SplitSubsetsd("pred"),
    )  # fmt: skip


def answers(network: Any, batch: dict[str, Any], rows: slice) -> dict[str, np.ndarray]:
    with torch.no_grad():
        found = network.predict_subsets(batch["image"][rows], batch["fundus"][rows]).double().numpy()
    both = np.isfinite(found[:, 1]) & np.isfinite(found[:, 2])
    return {"oct+fundus": np.where(both, found[:, 0], np.nan), "oct": found[:, 1], "fundus": found[:, 2]}


def end_of_training(handler: Any) -> None:
    """What the trainer does when its epochs are over."""
    engine = Engine(lambda *_: None)
    engine.state.device = torch.device("cpu")
    handler.attach(engine)
    engine.run([0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A chosen model of both modalities."""
    save_model(tmp_path, toy_regressor().eval(), EXTRA)
    return tmp_path


def end_with(handler: Any, folder: Path, batch: dict[str, Any], cohort: Cohort | None, **options: Any) -> MDRegressor:
    """A training's end with this handler, and a network whose weights are not the chosen ones. The model it leaves."""
    validator = evaluator(toy_regressor(load_model(folder)[0].modalities, seed=7), batch)
    end_of_training(handler(validator, cohort or cohort_of(batch), str(folder), **options))
    return load_model(folder)[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
