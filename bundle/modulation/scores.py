"""Logarithms of per-modality scores, centred so that only their ratios count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

SHARPNESS_FLOOR = 1e-3


def centred_log(values: Mapping[str, float], names: Sequence[str], floor: float) -> dict[str, float]:
    """log max(value, floor) minus its mean, for every name; 0 for a name that is absent or not finite.

    The mean is over the names that have a value, so a modality that was not measured stays neutral and does not move
    the others.

    Example:
        >>> centred_log({"oct": 1.0, "fundus": 1.0}, ["oct", "fundus"], floor=1e-3)
        {'oct': 0.0, 'fundus': 0.0}
    """
    logs = {name: math.log(max(values[name], floor)) for name in names if math.isfinite(values.get(name, math.nan))}
    mean = math.fsum(logs.values()) / max(len(logs), 1)
    return {name: logs[name] - mean if name in logs else 0.0 for name in names}


def centred_log_sharpness(sharpness: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """`centred_log` of S_m with a floor of a thousandth of the largest S_m.

    S_m is 0 where the loss did not rise. Its unit depends on the network (it is divided by a distance in weights), so
    the floor is relative. Where every S_m is 0 all are equal: zeros.
    """
    largest = max((s for name in names if math.isfinite(s := sharpness.get(name, math.nan))), default=0.0)
    if largest <= 0:
        return dict.fromkeys(names, 0.0)
    return centred_log(sharpness, names, floor=SHARPNESS_FLOOR * largest)
