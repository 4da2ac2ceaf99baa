"""The command that trained a model, from the config that the run saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

COMMAND = "python -m monai.bundle run training --config_file configs/train.yaml"
# where things lay on the machine that trained: they change nothing about the model, and are nobody's business
PLACES = (
    "bundle_root",
    "dataset_dir",
    "run_name",
    "output_dir",
    "cache_dir",
    "tracking_uri",
    "experiment_name",
    "resume",
)


def training_command(config: dict[str, Any], default: dict[str, Any]) -> str:
    """The command with every setting that differs from the default, e.g. `... --max_epochs 100 --ascent#rho 0.1`.

    Lists and expressions that differ are named after it: an overlay or an earlier train.yaml had them. A manifest is
    shown as MANIFEST: its path may name a patient or a person.

    Args:
        config: what the run saved as config.yaml.
        default: configs/train.yaml.
    """
    options, others = "", []
    for key, value in _differences(config, default):
        if key.partition("#")[0] in PLACES or key in ("imports", "about"):
            continue
        if key == "manifest" and isinstance(value, str):
            options += " --manifest MANIFEST"
        elif value is None or isinstance(value, bool | int | float) or _is_plain_text(value):
            options += f" --{key} {json.dumps(value) if not isinstance(value, str) else value}"
        else:
            others.append(key)
    return COMMAND + options + (f" (and other values of {', '.join(others)})" if others else "")


def read_config(path: Path) -> dict[str, Any]:
    """The config as MONAI's parser spells its references, nothing run; empty where there is no such file."""
    if not path.is_file():
        return {}
    parser = ConfigParser()
    parser.read_config(str(path))
    parser.resolve_macro_and_relative_ids()
    return {key: value for key, value in parser.config.items() if key != ConfigParser.meta_key}


def _is_plain_text(value: Any) -> bool:
    return isinstance(value, str) and not set(value) & set("$@%/\\ ")


def _differences(config: Any, default: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of `config` that `default` does not have there, with its key in MONAI's spelling (a#b)."""
    if isinstance(config, dict) and isinstance(default, dict):
        for name, value in config.items():
            yield from _differences(value, default.get(name), f"{key}#{name}" if key else str(name))
    elif config != default:
        yield key, config
