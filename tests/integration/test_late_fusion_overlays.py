"""Networks that are trained apart in one run are those of two runs; stacking is least squares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bundle.deploy.model_folder import load_model
from bundle.reporting.history import History
from tests.integration.test_config_workflow import execute, workflow
from tests.toy import write_cohort

SMALL = {
    "oct_grid": [8, 24, 16],
    "fundus_size": 32,
    "batch_size": 8,
    "projection_dim": 8,
    "use_mlflow": False,
    "seed": 3,
}
CHANNELS = {
    "oct": {"network_def#oct_encoder#channels": [4, 8]},
    "fundus": {"network_def#fundus_encoder#channels": [4, 8]},
}


@pytest.fixture(scope="module", autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A config changes the process: hook, path, seeds, determinism. All is put back."""
    hook, path, state = sys.excepthook, list(sys.path), torch.get_rng_state()
    numpy_state = np.random.get_state()  # noqa: NPY002
    yield
    sys.excepthook, sys.path[:] = hook, path
    torch.set_rng_state(state)
    np.random.set_state(numpy_state)  # noqa: NPY002
    torch.use_deterministic_algorithms(False)


class Run:
    """A finished training of some overlays: its folder, its model, and its eyes."""

    def __init__(self, overlays: list[str], manifest: Path, folder: Path, **keys: Any) -> None:
        encoders = [name for name in CHANNELS if f"{'oct' if name == 'fundus' else 'fundus'}_only" not in overlays]
        for name in encoders:
            keys |= CHANNELS[name]
        files = ["train.yaml", *(f"methods/{name}.yaml" for name in overlays)]
        settings = {"max_epochs": 3, "patience": 0, "output_dir": str(folder), "manifest": str(manifest), **SMALL}
        self.flow = execute(workflow("train", files, **{**settings, **keys}))
        self.network, self.description = load_model(folder)
        self.history = History.from_csv(folder / "history.csv")

    def answers(self, split: str) -> tuple[torch.Tensor, np.ndarray]:
        """Predictions (n, 3) from both, OCT, fundus, and labels (n,), dB."""
        items = list(self.flow.parser.get_parsed_content(f"{split}#dataset"))
        image, fundus = (torch.stack([item[key] for item in items]) for key in ("image", "fundus"))
        with torch.no_grad():
            pred = self.network.predict_subsets(image, fundus)
        return pred, np.array([float(item["label"]) for item in items])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 training eyes, of which two lack an image, and six each for validation and test."""
    return write_cohort(tmp_path_factory.mktemp("cohort"), 36, missing={1: "oct", 5: "fundus"})


@pytest.fixture(scope="module")
def ume(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    torch.set_num_threads(1)
    return Run(["ume"], manifest, tmp_path_factory.mktemp("runs") / "ume")


def test_ume_is_the_average_of_two_separate_trainings(ume: Run, manifest: Path, tmp_path: Path) -> None:
    apart = {name: Run([f"{name}_only"], manifest, tmp_path / name) for name in ("oct", "fundus")}
    for name, run in apart.items():
        np.testing.assert_allclose(ume.history.column(f"val_{name}_mse"), run.history.column("val_mse"), rtol=1e-6)
        assert ume.description["selection"][name]["epoch"] == run.description["selection"]["epoch"]
    for split in ("validate", "test"):
        found = ume.answers(split)[0]
        oct_db, fundus_db = (run.answers(split)[0][:, 0] for run in apart.values())
        torch.testing.assert_close(found[:, 1], oct_db, atol=1e-5, rtol=0)
        torch.testing.assert_close(found[:, 2], fundus_db, atol=1e-5, rtol=0)
        torch.testing.assert_close(found[:, 0], (oct_db + fundus_db) / 2, atol=1e-5, rtol=0)
        assert float((oct_db - fundus_db).abs().max()) > 1e-2


def test_stack_is_least_squares_on_the_validation_eyes(ume: Run, manifest: Path, tmp_path: Path) -> None:
    """Six validation eyes here, so min_eyes is lowered."""
    stack = Run(["ume", "stack"], manifest, tmp_path, **{"recalibration#min_eyes": 6})
    (found, label), (apart, _) = stack.answers("validate"), ume.answers("validate")
    design = np.column_stack([np.ones(len(label)), apart[:, 1:].double().numpy()])
    coefficients = np.linalg.lstsq(design, label, rcond=None)[0]
    np.testing.assert_allclose(found[:, 0].numpy(), design @ coefficients, atol=1e-3)
    torch.testing.assert_close(found[:, 1:], apart[:, 1:])
    assert float((found[:, 0] - apart[:, 0]).abs().max()) > 1e-2
    assert stack.description["recalibration"]["eyes"] == 6
    assert stack.description["selection"] == ume.description["selection"]
    test, of_test = stack.answers("test")[0], ume.answers("test")[0]
    expected = np.column_stack([np.ones(len(test)), of_test[:, 1:].double().numpy()]) @ coefficients
    np.testing.assert_allclose(test[:, 0].numpy(), expected, atol=1e-2)


def test_recalibration_has_an_evaluator_without_metrics(ume: Run) -> None:
    """One process alone runs it; a metric would wait for the others."""
    parser = ume.flow.parser
    assert not {"key_val_metric", "additional_metrics"} & set(parser["plain_validator"])
    assert parser.get_parsed_content("recalibration").validator.network is parser.get_parsed_content("network")
