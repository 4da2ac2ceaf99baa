"""The model in the package: weights for PyTorch and as safetensors, and what they are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from safetensors.torch import save_file

from bundle.deploy.model_folder import DESCRIPTION, WEIGHTS, load_model
from bundle.errors import InputError
from bundle.networks import MDRegressor

SAFETENSORS = "model.safetensors"
FITTED = ("md_mean_db", "md_sd_db", "seed")  # of the training, not of the architecture; the first two are weights
GRIDS = ("oct_grid", "oct_extent_mm", "fundus_size")


def copy_model(model: Path, out: Path, inference_config: Path) -> dict[str, Any]:
    """Write model.pt, model.safetensors and model.json; returns the description in model.json.

    Args:
        model: folder with model.pt and model.json.
        out: folder to write, made when missing.
        inference_config: the package's inference.yaml, which must build this very network.

    Raises:
        InputError: the model is missing, damaged, or another network than the one that the config builds.
    """
    network, description = load_model(model)
    check_fits(description, inference_config)
    out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, DESCRIPTION):
        shutil.copyfile(model / name, out / name)
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(tensors, out / SAFETENSORS, metadata={"format": "pt"})
    return description


def check_fits(description: dict[str, Any], inference_config: Path) -> None:
    """Refuse a model that configs/inference.yaml cannot load: one trained with overlays of network or grid.

    Raises:
        InputError: names what differs.
    """
    parser = ConfigParser()
    parser.read_config(str(inference_config))
    network = parser.get_parsed_content("network_def")
    spec: dict[str, Any] = network.spec() if isinstance(network, MDRegressor) else {}  # type: ignore[operator]
    expected = _architecture(spec)
    found = _architecture(description["network"])
    different = [key for key in sorted({*expected, *found}) if expected.get(key) != found.get(key)]
    different += [key for key in GRIDS if parser[key] != description.get(key)]
    if different:
        raise InputError(
            f"model: {', '.join(different)} differ from {inference_config.name}; "
            "package a model that was trained without overlays of network or grid, or change the config"
        )


def _architecture(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in FITTED}
