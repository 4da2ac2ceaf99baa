"""The files of a registered model: MLflow's layout around a model folder, with no path of this machine in them."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
import yaml
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from numpy.typing import NDArray

from bundle.deploy.inputs import input_shapes
from bundle.deploy.intervals import intervals_of
from bundle.deploy.model_folder import DESCRIPTION, WEIGHTS, load_model
from bundle.deploy.registry.request import COLUMNS, INTERVAL_COLUMNS, answer
from bundle.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
CODE = Path(__file__).with_name("pyfunc_model.py")
TOLERANCE_DB = 1e-4
BARS = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
REQUIREMENTS = ("mlflow", "torch", "monai", "numpy", "einops", "scipy", "pyyaml")


def write_model_files(trained: Path, out: Path) -> None:
    """Write an `mlflow.pyfunc` model that needs nothing of this checkout, and try it on its input example.

    Args:
        trained: a model folder (model.pt, model.json).
        out: folder to make; the model is in it when this returns.

    Raises:
        InputError: the trained model is not whole, or the files do not answer as the network does.
    """
    network, description = load_model(trained)
    shapes = input_shapes(network, description)
    example = input_example(shapes)
    with _quiet(), TemporaryDirectory() as scratch:
        mlflow.pyfunc.save_model(
            str(out),
            python_model=str(CODE),
            artifacts={"model": str(_weights_alone(trained, Path(scratch) / "model"))},
            code_paths=[str(ROOT / "bundle"), str(ROOT / "configs")],
            signature=signature(shapes),
            input_example=example,
            pip_requirements=pinned_requirements(),
        )
        _forget_paths(out)
        found = mlflow.pyfunc.load_model(str(out)).predict(example)
    expected = answer(network, shapes, intervals_of(description), example)
    if abs(found[0]["md_db"] - expected[0]["md_db"]) > TOLERANCE_DB:
        raise InputError("the written model does not answer as the network does; are bundle/ and the weights in step?")


def signature(shapes: dict[str, tuple[int, ...]]) -> ModelSignature:
    """Named float32 tensors (eyes, ...) in; MD and its interval in dB, null where there is none, and two texts out."""
    inputs = [TensorSpec(np.dtype(np.float32), (-1, *shape), key) for key, shape in shapes.items()]
    columns = [ColSpec(DataType.double, name, required=name == "md_db") for name in (*COLUMNS, *INTERVAL_COLUMNS)]
    texts = [ColSpec(DataType.string, name) for name in ("stage", "model_version")]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([*columns, *texts]))


def input_example(shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """One eye of noise, rounded: it shows shapes and types, and is of nobody."""
    rng = np.random.default_rng(0)
    return {key: rng.normal(size=(1, *shape)).round(2).astype(np.float32) for key, shape in shapes.items()}


def pinned_requirements() -> list[str]:
    """What inference needs, in the versions that run here, without a build's local part (`+cpu`)."""
    return [f"{name}=={version(name).split('+')[0]}" for name in REQUIREMENTS]


def _weights_alone(trained: Path, folder: Path) -> Path:
    """A copy with the two files that a model is: a run's folder holds predictions, a config and more."""
    folder.mkdir()
    for name in (WEIGHTS, DESCRIPTION):
        (folder / name).write_bytes((trained / name).read_bytes())
    return folder


def _forget_paths(folder: Path) -> None:
    """MLflow notes where it found the code and the artifacts on this machine; loading needs their names only."""
    path = folder / "MLmodel"
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    flavor = content["flavors"]["python_function"]
    flavor["model_code_path"] = CODE.name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow advises on type hints and on code that is imported already, and shows bars for two small files."""
    logger = logging.getLogger("mlflow")
    level, bars = logger.level, os.environ.get(BARS)
    logger.setLevel(logging.ERROR)
    os.environ[BARS] = "false"
    try:
        with warnings.catch_warnings(record=True):  # a filter would not do: MLflow sets its own
            yield
    finally:
        logger.setLevel(level)
        os.environ.pop(BARS) if bars is None else os.environ.update({BARS: bars})
