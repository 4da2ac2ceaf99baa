"""From a model folder to exported files, each compared with the network it came from."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bundle.deploy.export.comparison import Compared, compare
from bundle.deploy.export.writers import OPSET, OUTPUTS, WRITERS, Batch
from bundle.deploy.inputs import input_shapes
from bundle.deploy.intervals import INTERVALS
from bundle.deploy.predictor import GRID_KEYS, Predictor
from bundle.errors import InputError
from bundle.metrics import STAGE_EDGES_DB, STAGES
from bundle.reporting.atomic import write_json_atomic

RUNNER = Path(__file__).with_name("predict_onnx.py")
DESCRIPTION = "export.json"
FORMAT = 1
TOOLS = ("torch", "monai", "numpy", "onnx", "onnxscript", "onnxruntime")
TIMED = 21  # runs of one eye; their median is told


@dataclass(frozen=True)
class Exported:
    """One file: its format, name, bytes, comparisons, and median milliseconds for one complete eye."""

    format: str
    file: str
    bytes: int
    compared: list[Compared]
    ms: float


def export_model(
    predictor: Predictor, out: Path, eyes: Batch, formats: Sequence[str] = tuple(WRITERS), tolerance_db: float = 1e-4,
    force: bool = False,
) -> list[Exported]:  # fmt: skip
    """Write `out` with one file a format, export.json and, with ONNX, its runner; returns what was compared.

    The folder appears whole, when every file agrees with the network; otherwise nothing is left behind.

    Args:
        predictor: with the model.
        out: must not exist, unless `force`.
        eyes: complete and prepared; see `complete_eyes`.
        formats: keys of `WRITERS`.
        tolerance_db: largest difference that agrees.
        force: replace an earlier export.

    Raises:
        InputError: the folder exists, or see `write_onnx`.
    """
    if out.exists() and not (force and (out / DESCRIPTION).is_file()):
        raise InputError(f"{out}: exists already; give another --out, or --force to replace an earlier export")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        staging = Path(scratch) / "export"
        staging.mkdir()
        done = [_export(predictor, staging, name, eyes) for name in tqdm(formats, desc="exporting", disable=None)]
        write_json_atomic(staging / DESCRIPTION, _description(predictor, done, tolerance_db))
        if agrees(done, tolerance_db):
            if out.exists():
                shutil.rmtree(out)
            os.replace(staging, out)
    return done


def agrees(done: Sequence[Exported], tolerance_db: float) -> bool:
    """Whether every file agrees with the network."""
    return all(line.difference_db <= tolerance_db for one in done for line in one.compared)


def eager_ms(predictor: Predictor, eyes: Batch) -> float:
    """Median milliseconds of the network itself for one complete eye."""
    one = {name: torch.from_numpy(values[:1]) for name, values in eyes.items()}
    with torch.inference_mode():
        return _median_ms(lambda: predictor.network.predict_subsets(**one))


def _export(predictor: Predictor, folder: Path, name: str, eyes: Batch) -> Exported:
    file, write = WRITERS[name]
    shapes = input_shapes(predictor.network, predictor.description)
    with torch.inference_mode(False):
        answer = write(predictor.network, shapes, folder / file, _metadata(predictor))
    if name == "onnx":
        shutil.copyfile(RUNNER, folder / RUNNER.name)
    one = {key: values[:1] for key, values in eyes.items()}
    compared = compare(answer, predictor.network, eyes)
    return Exported(name, file, (folder / file).stat().st_size, compared, _median_ms(lambda: answer(one)))


def _median_ms(run: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(TIMED):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return 1000 * sorted(seconds)[TIMED // 2]


def _metadata(predictor: Predictor) -> dict[str, Any]:
    about = {"model_version": predictor.version, "weights_sha256": predictor.description["weights_sha256"]}
    grids = {key: predictor.description[key] for key in GRID_KEYS}
    about |= {INTERVALS: predictor.description.get(INTERVALS)}
    return about | grids | {"stages": list(STAGES), "stage_edges_db": list(STAGE_EDGES_DB)}


def _description(predictor: Predictor, done: Sequence[Exported], tolerance_db: float) -> dict[str, Any]:
    shapes = input_shapes(predictor.network, predictor.description)
    return {
        "format": FORMAT, **_metadata(predictor), "date": datetime.date.today().isoformat(),
        "inputs": {name: {"shape": ["batch", *shape], "dtype": "float32"} for name, shape in shapes.items()},
        "outputs": {name: {"shape": ["batch"], "unit": "dB"} for name in OUTPUTS},
        "missing": "a row full of NaN: of an input, not taken; of an output, not possible",
        "tools": _versions(), "onnx_opset": OPSET, "tolerance_db": tolerance_db,
        "files": [asdict(one) for one in done],
    }  # fmt: skip


def _versions() -> dict[str, str]:
    installed = {one.metadata["Name"].lower(): one.version for one in importlib.metadata.distributions()}
    return {name: installed[name] for name in TOOLS if name in installed}
