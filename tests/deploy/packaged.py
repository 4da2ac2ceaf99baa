"""A model as training leaves it, with a made-up report, and the package of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from bundle.deploy.model_folder import save_model
from bundle.deploy.package.build import Package, build_package
from bundle.deploy.zoo_rules import DEFAULT_NAME

ROOT = Path(__file__).resolve().parents[2]
GRID = {"oct_grid": [16, 48, 32], "oct_extent_mm": [6.0, 2.0, 6.0], "fundus_size": 64}
MEAN_DB = -3.5


def figures(mse: float) -> dict[str, Any]:
    ci95 = {"mse": [mse - 1, mse + 1], "mae": [1.0, 2.0], "balanced_mse": [1.0, 9.0]}
    return {"n_eyes": 20, "n_patients": 11, "mse": mse, "mae": 1.5, "r2": 0.5, "ci95": ci95}


def write_run(folder: Path, report: bool = True, **description: Any) -> Path:
    """The network of configs/inference.yaml with random weights, and the report of a training that never was."""
    parser = ConfigParser()
    parser.read_config(str(ROOT / "configs" / "inference.yaml"))
    parser["network_def#md_mean_db"], parser["network_def#md_sd_db"] = MEAN_DB, 5.0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = parser.get_parsed_content("network_def")
    save_model(folder, network, {"version": "0.1.0", "cohort_digest": "ab" * 32, **GRID, **description})
    if report:
        answers = {name: {"all": figures(mse)} for name, mse in (("oct+fundus", 7.25), ("oct", 6.5), ("fundus", 15.0))}
        content = {"n_eyes": 20, "n_patients": 11, "train_mean_db": MEAN_DB, "answers": answers}
        (folder / "test").mkdir()
        (folder / "test" / "metrics.json").write_text(json.dumps(content))
        text = (ROOT / "configs" / "train.yaml").read_text(encoding="utf-8")
        (folder / "config.yaml").write_text(text.replace("max_epochs: 60", "max_epochs: 7"), encoding="utf-8")
    return folder


def package(folder: Path, **options: Any) -> Package:
    """The package of such a run."""
    return build_package(ROOT, write_run(folder / "run"), folder / "dist", DEFAULT_NAME, **options)
