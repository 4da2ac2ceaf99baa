"""What the trials of a method try: an equal budget for every method, its defaults first.

A trial is a training on the first fold with another seed than the final ones; it never looks at test eyes.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np

from bundle.comparison.methods.catalogue import card_of
from bundle.comparison.planning.study import Study
from bundle.errors import InputError


def trial_settings(study: Study, method: str) -> list[dict[str, Any]]:
    """Keys of the config that each trial of a method sets; the first sets none: the method's defaults.

    The others are drawn without replacement from learning rates x knob values, by a generator that depends on the
    method's name and `trial_seed` only.

    Raises:
        InputError: the method has fewer settings than trials, so that budgets would differ, or no number as `lr`.
    """
    if study.trials == 1:
        return [{}]
    lr, knob = default_lr(study, method), card_of(method).knob
    default = {"lr": lr} | ({knob.key: study.value_of(method, knob.key)} if knob else {})
    rates = list(dict.fromkeys(lr * factor for factor in study.lr_factors))
    pairs = itertools.product(rates, knob.values) if knob else ((rate,) for rate in rates)
    grid = [setting for values in pairs if (setting := dict(zip(default, values, strict=True))) != default]
    if len(grid) < study.trials - 1:
        raise InputError(
            f"--trials: found {study.trials}, expected at most {len(grid) + 1}: '{method}' has no more settings to "
            "try; give more --lr-factors"
        )
    seed = hashlib.sha256(f"{study.trial_seed}:{method}".encode()).digest()
    order = np.random.default_rng(int.from_bytes(seed[:8], "big")).permutation(len(grid))
    return [{}, *(grid[position] for position in order[: study.trials - 1])]


def default_lr(study: Study, method: str) -> float:
    """The learning rate of a method before it is tuned."""
    lr = study.value_of(method, "lr")
    if isinstance(lr, bool) or not isinstance(lr, int | float):
        raise InputError(f"{method}: lr: found {lr!r}, expected a number such as 2.0e-3 to tune around")
    return float(lr)
