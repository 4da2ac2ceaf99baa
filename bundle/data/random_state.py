"""One stream of random numbers for a whole pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.transforms import Compose, Randomizable


def share_random_state(transform: Any, state: np.random.RandomState) -> None:
    """Let a random transform, or each one in a list or a MONAI `Compose`, draw from `state`, in order.

    `Compose.set_random_state` would build a generator of its own for each child, at 70 us apiece; one shared stream
    costs nothing and is as much a pure function of its seed.
    """
    if isinstance(transform, list):
        for child in transform:
            share_random_state(child, state)
    elif isinstance(transform, Compose):
        transform.R = state
        share_random_state(list(transform.transforms), state)
    elif isinstance(transform, Randomizable):
        transform.set_random_state(state=state)
