"""What is asked for: which methods on which eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR, TRAIN_CONFIG, check_methods, method_files
from bundle.comparison.methods.overlays import ABSENT, effective_value, read_values
from bundle.comparison.methods.refusals import check_overlays
from bundle.comparison.planning.settings import check_settings
from bundle.errors import InputError


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
        tracking: MLflow runs of the study.
        trials: trainings that choose a method's learning rate and main knob on validation; the same number for every
            method, the first with its defaults. 1 tunes nothing.
        trial_epochs: upper limit of each trial; None for `epochs`.
        trial_seed: seed of the trials' trainings and of the draw of their settings.
        lr_factors: the learning rates that trials draw from, times the configured one.
        refused: {method: reason} of those that were asked for and cannot run.
        cohort_name: the eyes, for people; by default the folder's name.
        epochs_axis: whether studies with other epochs stand beside this one; `label` then says which it is.

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
    trials: int = 1
    trial_epochs: int | None = None
    trial_seed: int = 1000
    lr_factors: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    refused: Mapping[str, str] = field(default_factory=dict)
    cohort_name: str = ""
    epochs_axis: bool = False

    def __post_init__(self) -> None:
        if not self.cohort_name:
            object.__setattr__(self, "cohort_name", self.out.name)
        check_methods(self.methods)
        if self.reference not in (*self.methods, *self.refused, MEAN_PREDICTOR):
            expected = ", ".join(self.methods)
            raise InputError(f"--reference: found '{self.reference}', expected one of --methods: {expected}")
        for name, number, least in (
            ("--epochs", self.epochs, 1), ("--train-size", self.train_size, 1), ("--folds", self.folds, 2),
            ("--seeds", len(self.seeds), 1), ("--trials", self.trials, 1), ("--trial-epochs", self.trial_epochs, 1),
        ):  # fmt: skip
            if number is not None and number < least:
                raise InputError(f"{name}: found {number}, expected {least} or more")
        if self.trials > 1 and self.trial_seed in self.seeds:
            raise InputError(f"--trial-seed: found {self.trial_seed}, expected a seed that no final training has")
        if not self.lr_factors or min(self.lr_factors) <= 0:
            raise InputError(f"--lr-factors: found {list(self.lr_factors)}, expected numbers above 0")
        check_overlays(self.overlays)
        check_settings(self.settings)

    @property
    def name(self) -> str:
        """Name of the study, its folder's."""
        return self.out.name

    @property
    def label(self) -> str:
        """For people, among the studies of one command: `default`, or `default, 60 epochs`."""
        return f"{self.cohort_name}, {self.max_epochs} epochs" if self.epochs_axis else self.cohort_name

    @property
    def trained_methods(self) -> tuple[str, ...]:
        """The methods that need trainings: all but the mean predictor."""
        return tuple(name for name in self.methods if name != MEAN_PREDICTOR)

    @property
    def max_epochs(self) -> int:
        """Upper limit of the final trainings."""
        return int(self.setting("max_epochs")) if self.epochs is None else self.epochs

    def setting(self, key: str) -> Any:
        """A top-level value of the training config, with `settings` applied."""
        return self.settings.get(key, read_values(TRAIN_CONFIG)[key])

    def config_files(self, method: str) -> tuple[Path, ...]:
        """The configs of a method, later ones overriding earlier ones: its own overlay last, after those it extends."""
        return (TRAIN_CONFIG, *self.overlays, *method_files(method))

    def value_of(self, method: str, key: str) -> Any:
        """What a method's training has at `key`, as its configs and `settings` write it.

        Raises:
            InputError: none of them says.
        """
        files = [read_values(path) for path in self.config_files(method)]
        value = effective_value([*files, {name.replace("::", "#"): one for name, one in self.settings.items()}], key)
        if value is ABSENT:
            raise InputError(f"{method}: no config says anything about '{key}'")
        return value
