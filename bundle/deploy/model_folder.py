"""A trained model as a folder of plain data: `model.pt` (weights), `model.json` (what they are)."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from bundle.errors import InputError
from bundle.networks import MDRegressor, build
from bundle.reporting.atomic import write_bytes_atomic, write_json_atomic
from bundle.weights import load_weights_only

WEIGHTS, DESCRIPTION = "model.pt", "model.json"
TEST_METRICS = "test/metrics.json"  # the report of the training's own test, beside them in a run's folder
FORMAT = 1
OF_THE_FILE = ("format", "network", "weights_sha256")


def save_model(folder: str | Path, network: MDRegressor, description: dict[str, Any]) -> Path:
    """Write the weights and their description, each atomically.

    Args:
        folder: made when missing.
        network: its spec (constructor arguments, no code) and state dict are saved.
        description: plain values, for example the input grids, the version and the validation score; or the content of
            an earlier model.json, whose entries about that file itself are written anew.

    Returns:
        The path of model.pt.
    """
    folder = Path(folder)
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}, buffer)
    weights = buffer.getvalue()
    content = {
        "format": FORMAT,
        "network": network.spec(),  # type: ignore[operator]
        **{key: value for key, value in description.items() if key not in OF_THE_FILE},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    path = write_bytes_atomic(folder / WEIGHTS, weights)
    write_json_atomic(folder / DESCRIPTION, content)
    return path


def read_description(folder: str | Path) -> dict[str, Any]:
    """The content of model.json.

    Raises:
        InputError: no such folder or file, not JSON, a format of another version, or an incomplete one.
    """
    path = Path(folder) / DESCRIPTION
    if not path.is_file():
        raise InputError(f"model: no {DESCRIPTION} in {folder}; give the folder of a finished run, such as eval/latest")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable JSON ({error}); expected what training writes") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: format is not {FORMAT}; expected a model of this version of the bundle")
    missing = [key for key in ("network", "weights_sha256") if key not in content]
    if missing:
        raise InputError(f"{path}: no {' and '.join(missing)}; expected what training writes")
    return content


def version_of(description: dict[str, Any]) -> str:
    """Bundle version and the first digits of the weights' checksum, as every answer states them."""
    return f"{description.get('version', 'unknown')}+{description['weights_sha256'][:8]}"


def check_weights(path: Path, description: dict[str, Any]) -> None:
    """Refuse weights that are not those which model.json describes.

    Raises:
        InputError: their SHA-256 differs.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != description["weights_sha256"]:
        raise InputError(f"{path}: checksum {found[:12]}... is not the one in {DESCRIPTION}; copy the folder again")


def load_model(folder: str | Path, device: torch.device | str = "cpu") -> tuple[MDRegressor, dict[str, Any]]:
    """The network with its weights, in eval mode, and its description. No code from the folder is run.

    Raises:
        InputError: a file is missing, damaged, or does not fit the other.
    """
    description = read_description(folder)
    network = build(description["network"])
    path = Path(folder) / WEIGHTS
    weights = load_weights_only(path)
    check_weights(path, description)
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{path}: weights do not fit the network of {DESCRIPTION}") from error
    if not isinstance(network, MDRegressor):
        raise InputError(f"{folder}/{DESCRIPTION}: network is not an MDRegressor")
    return network.to(device).eval(), description
