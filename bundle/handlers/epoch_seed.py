"""Randomness of an epoch as a function of (seed, epoch) alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from bundle.engines.distributed import rank


class EpochSeedHandler:
    """At EPOCH_STARTED: seeds Python, NumPy and torch from (seed, epoch, rank) and tells dataset and sampler the epoch.

    Shuffling, dropout and augmentation of an epoch then do not depend on what ran before, so a run that is resumed
    at an epoch's end goes on bit for bit.

    Args:
        seed: the run's seed.
        dataset, sampler: anything with `set_epoch(epoch)`, or None.
    """

    def __init__(self, seed: int, dataset: Any = None, sampler: Any = None) -> None:
        self.seed = seed
        self.listeners = [part for part in (dataset, sampler) if hasattr(part, "set_epoch")]

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        state = np.random.SeedSequence([self.seed, engine.state.epoch, rank()]).generate_state(3)
        random.seed(int(state[0]))
        np.random.seed(int(state[1]))  # noqa: NPY002 - MONAI's transforms may draw from the global generator
        torch.manual_seed(int(state[2]))
        for part in self.listeners:
            part.set_epoch(engine.state.epoch)
