"""What is asked for: which methods on which eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from bundle.comparison.methods import MEAN_PREDICTOR, TRAIN_CONFIG, check_methods, known_methods
from bundle.errors import InputError

# what a study sets itself, and the option to say it with
OWN_KEYS: dict[str, str] = {
    "seed": "--seeds", "split_seed": "--split-seed", "max_epochs": "--epochs", "train_size": "--train-size",
    "manifest": "--manifest", "output_dir": "--out", "use_mlflow": "--tracking", "bundle_root": "nothing",
    "resume": "nothing: an unfinished cell resumes by itself", "run_name": "nothing", "experiment_name": "--out",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Study:
    """A comparison.

    Args:
        manifest: the eyes.
        out: folder of everything that is written.
        methods: names of overlays in configs/methods.
        seeds: of the trainings; every method gets the same ones.
        epochs: upper limit of each training; None for train.yaml's.
        folds: k-fold cross-validation by patient; None for one split.
        train_size: use only this many training patients; None for all.
        split_seed: deals patients to splits or folds, once for all methods and seeds.
        settings: further keys of train.yaml, for every method.
        overlays: configs between train.yaml and the method's overlay, for example a backbone's.
        reference: the method that the others are compared with.
        complete_only: leave out eyes that lack OCT or fundus photograph, on which a single-modality method has no
            answer to compare.
        tracking: an MLflow run for each training.

    Raises:
        InputError: an unknown method, setting or reference, or a number out of range.
    """

    manifest: Path
    out: Path
    methods: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    epochs: int | None = None
    folds: int | None = None
    train_size: int | None = None
    split_seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    overlays: tuple[Path, ...] = ()
    reference: str = "concat"
    complete_only: bool = True
    tracking: bool = False

    def __post_init__(self) -> None:
        check_methods(self.methods)
        if self.reference not in (*self.methods, MEAN_PREDICTOR):
            expected = ", ".join(self.methods)
            raise InputError(f"--reference: found '{self.reference}', expected one of --methods: {expected}")
        for name, number, least in (("--epochs", self.epochs, 1), ("--train-size", self.train_size, 1),
                                    ("--folds", self.folds, 2), ("--seeds", len(self.seeds), 1)):  # fmt: skip
            if number is not None and number < least:
                raise InputError(f"{name}: found {number}, expected {least} or more")
        for overlay in self.overlays:
            if not overlay.is_file():
                raise InputError(f"--overlay: no file {overlay}; expected a YAML such as configs/networks/resnet.yaml")
        check_settings(self.settings)

    @property
    def name(self) -> str:
        """Name of the study, its folder's."""
        return self.out.name

    def setting(self, key: str) -> Any:
        """A top-level value of the training config, with `settings` applied."""
        return self.settings.get(key, yaml.safe_load(TRAIN_CONFIG.read_text(encoding="utf-8"))[key])

    def config_files(self, method: str) -> tuple[Path, ...]:
        """The configs of a method, later ones overriding earlier ones."""
        return (TRAIN_CONFIG, *self.overlays, known_methods()[method])


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
