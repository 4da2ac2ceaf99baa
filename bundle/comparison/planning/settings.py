"""Keys of train.yaml that a user sets for every method."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import yaml

from bundle.comparison.methods.catalogue import TRAIN_CONFIG
from bundle.errors import InputError

# what a study sets itself, and the option to say it with
OWN_KEYS: dict[str, str] = {
    "seed": "--seeds", "split_seed": "--split-seed", "max_epochs": "--epochs", "train_size": "--train-size",
    "manifest": "--manifest", "output_dir": "--out", "use_mlflow": "--no-tracking", "bundle_root": "nothing",
    "resume": "nothing: an unfinished cell resumes by itself", "run_name": "nothing", "experiment_name": "--out",
    "about": "the method's overlay",
}  # fmt: skip


def read_settings(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; values are read as in the YAML files."""
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise InputError(f"--set: found '{pair}', expected KEY=VALUE such as lr=1.0e-3")
        try:
            settings[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {key}: '{text}' is no YAML value; expected one such as 1.0e-3") from error
    return settings


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse a key that train.yaml does not have or that the study sets itself, before any training starts."""
    known = yaml.safe_load(TRAIN_CONFIG.read_text(encoding="utf-8"))
    for key in settings:
        top = key.replace("::", "#").partition("#")[0]
        if top in OWN_KEYS:
            raise InputError(f"--set {key}: the comparison sets this key itself; use {OWN_KEYS[top]}")
        if top not in known:
            near = get_close_matches(top, known, n=1)
            advice = f"did you mean '{near[0]}'?" if near else "expected a key of configs/train.yaml"
            raise InputError(f"--set {key}: unknown key '{top}'; {advice}")
