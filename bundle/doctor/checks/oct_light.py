"""Volumes that are over-exposed or have almost no signal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding

_SATURATED = 0.03
_WEAK = 0.33
_MIN_VOLUMES = 5


def oct_light(evidence: Evidence) -> Iterator[Finding]:
    """Many voxels at the largest value; contrast far below that of the cohort's volumes of the same type."""
    saturated = tuple(row for row, facts in evidence.oct.items() if facts.maximum_share > _SATURATED)
    if saturated:
        most = max(evidence.oct[row].maximum_share for row in saturated)
        message = f"found up to {most:.0%} of the voxels at the largest value, expected at most {_SATURATED:.0%}"
        yield Finding("warning", "saturated", saturated, message, "export without clipping; is it a mask?")
    by_type: dict[str, dict[int, float]] = defaultdict(dict)
    for row, facts in evidence.oct.items():
        by_type[facts.dtype][row] = facts.contrast
    weak = []
    for contrast in by_type.values():
        usual = float(np.median(list(contrast.values())))
        if len(contrast) >= _MIN_VOLUMES:
            weak += [row for row, value in contrast.items() if value < _WEAK * usual]
    if weak:
        message = f"found OCT contrast below {_WEAK:.0%} of the cohort's median: no signal, or another grey scale"
        yield Finding("warning", "weak signal", tuple(sorted(weak)), message, "look; drop what shows nothing")
