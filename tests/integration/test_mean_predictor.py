"""The overlay `mean` through training, validation and test: the training eyes' mean MD for every eye."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigWorkflow

from bundle.comparison.methods.catalogue import TRAIN_CONFIG, known_methods
from bundle.deploy.model_folder import load_model
from bundle.reporting.predictions import Predictions
from tests.integration.test_method_overlays import process_as_it_was
from tests.toy import write_cohort

__all__ = ["process_as_it_was"]


@pytest.mark.parametrize("missing", [{}, {1: "oct", 13: "fundus"}])
def test_every_eye_gets_the_mean_of_the_training_eyes(missing: dict[int, str], tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "cohort", 18, missing=missing)
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    md_db = {split: np.array([float(r["md_db"]) for r in rows if r["split"] == split]) for split in ("train", "test")}
    mean_db = np.float32(md_db["train"].mean())
    flow = ConfigWorkflow(
        config_file=[str(TRAIN_CONFIG), str(known_methods()["mean"])], workflow_type="train",
        manifest=str(manifest), output_dir=str(tmp_path / "run"), bundle_root=str(TRAIN_CONFIG.parents[1]),
        device="$torch.device('cpu')", use_mlflow=False, oct_grid=[8, 24, 16], fundus_size=32, batch_size=4,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Initializing zero-element tensors")
        flow.initialize()
        flow.run()
        model = load_model(tmp_path / "run")[0]
    tested = Predictions.from_csv(tmp_path / "run" / "test" / "predictions.csv")
    assert len(tested) == len(md_db["test"])
    for subset in tested.pred_db:
        lost = sum(number >= 12 and modality in subset.split("+") for number, modality in missing.items())
        present = np.isfinite(tested.pred_db[subset])
        assert present.sum() == len(tested) - lost
        np.testing.assert_allclose(tested.pred_db[subset][present], mean_db, rtol=0, atol=5e-5)  # as the CSV rounds
    (row,) = flow.parser.get_parsed_content("train#trainer").state.history
    validation = np.array([float(r["md_db"]) for r in rows if r["split"] == "validation"])
    assert row["val_mse"] == pytest.approx(((validation - mean_db) ** 2).mean(), rel=1e-5)
    assert model.md_mean_db == mean_db
    assert sum(p.numel() for p in model.parameters()) == 3  # a bias for each head and the fusion
    assert all((p == 0).all() for p in model.parameters())
