"""The one file that MONAI Deploy loads: a TorchScript network with the bundle's configuration inside its archive."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from bundle.deploy.intervals import INTERVALS
from bundle.deploy.model_folder import load_model, version_of
from bundle.deploy.predictor import GRID_KEYS, INFERENCE_CONFIG
from bundle.errors import InputError
from bundle.reporting.atomic import write_bytes_atomic

METADATA, INFERENCE = "metadata.json", "inference.json"  # where the SDK looks for them: <archive>/extra/


def write_model_file(model_folder: str | Path, out: str | Path, force: bool = False) -> Path:
    """Write `out` (model.ts) from a model folder: network on the CPU, metadata, and inference on the model's grids.

    Args:
        model_folder: with model.pt and model.json, for example eval/latest.
        out: the file to write; the SDK expects the suffix .ts.
        force: replace a file that is there.

    Raises:
        InputError: the folder is not a model's, `out` is there already, or it has another suffix.
    """
    out = Path(out)
    if out.suffix != ".ts":
        raise InputError(f"{out}: found suffix {out.suffix!r}, expected a name that ends in .ts, such as model.ts")
    if out.exists() and not force:
        raise InputError(f"{out}: is there already; give another name, or --force to replace it")
    network, description = load_model(model_folder)
    extra = {METADATA: json.dumps(_metadata(description)), INFERENCE: json.dumps(_inference(description))}
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / out.name  # torch names the archive's root after the file, and the SDK looks for it there
        torch.jit.save(torch.jit.script(network), str(saved), _extra_files=extra)
        return write_bytes_atomic(out, saved.read_bytes())


def model_description(path: str | Path) -> dict[str, Any]:
    """What the file says of itself: metadata.json, `model_version` as `scripts.predict` prints it, and the intervals.

    Raises:
        InputError: no such file, not one that `write_model_file` wrote, or one renamed since: the SDK then finds no
            configuration in it, and would predict from images that nothing has prepared.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            archive.getinfo(f"{path.stem}/extra/{INFERENCE}")
            content = json.loads(archive.read(f"{path.stem}/extra/{METADATA}"))
            return {**content, "model_version": str(content["model_version"])}
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path.name}: found no model file of this bundle, or one that was renamed; "
            "write one with python -m scripts.export_monai_deploy"
        ) from error


def _metadata(description: dict[str, Any]) -> dict[str, Any]:
    metadata = json.loads((INFERENCE_CONFIG.parent / "metadata.json").read_text(encoding="utf-8"))
    inputs = metadata["network_data_format"]["inputs"]
    inputs["image"]["spatial_shape"] = description["oct_grid"]
    inputs["fundus"]["spatial_shape"] = [description["fundus_size"]] * 2
    return metadata | {"model_version": version_of(description), INTERVALS: description.get(INTERVALS)}


def _inference(description: dict[str, Any]) -> dict[str, Any]:
    config = ConfigParser.load_config_file(str(INFERENCE_CONFIG))
    return config | {key: description[key] for key in GRID_KEYS}
