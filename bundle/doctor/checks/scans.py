"""Do the volumes come from one scan protocol?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bundle.doctor.checks.axes import AXES
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding
from bundle.doctor.oct_facts import OctFacts

_MIN_VOLUMES = 5
_OUTLIER = 1.5

Protocol = tuple[tuple[int, ...], tuple[str, ...], str, str]


def protocol(facts: OctFacts) -> Protocol:
    """Shape, spacing in um to three digits, type and device (or an empty text) of a volume."""
    return facts.shape, tuple(f"{mm * 1000:.3g}" for mm in facts.spacing_mm), facts.dtype, facts.device or ""


def protocols(evidence: Evidence) -> Counter[Protocol]:
    """How many volumes each scan protocol has."""
    return Counter(protocol(facts) for facts in evidence.oct.values())


def scan_protocols(evidence: Evidence) -> Iterator[Finding]:
    """Several shapes or spacings, and which rows have a rare one."""
    counts = protocols(evidence)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        rows = tuple(row for row, facts in evidence.oct.items() if protocol(facts) != usual)
        message = (
            f"found {len(counts)} scan protocols (shape, spacing, type, device): these rows differ from the usual one"
        )
        yield Finding("note", "mixed scans", rows, message, "is each protocol in every split, alike in MD?")


def scan_extent(evidence: Evidence) -> Iterator[Finding]:
    """Volumes that cover far more or less than the usual one."""
    if len(evidence.oct) < _MIN_VOLUMES:
        return
    usual_mm = np.median([facts.extent_mm for facts in evidence.oct.values()], axis=0)
    for axis, name in enumerate(AXES):
        ratio = {row: facts.extent_mm[axis] / usual_mm[axis] for row, facts in evidence.oct.items()}
        rows = tuple(row for row, one in ratio.items() if not 1 / _OUTLIER <= one <= _OUTLIER)
        if rows:
            found = sorted(evidence.oct[row].extent_mm[axis] for row in rows)
            span = f"{found[0]:.3g}" if len(rows) == 1 else f"{found[0]:.3g} to {found[-1]:.3g}"
            message = f"found {span} mm along the {name} axis, expected about {usual_mm[axis]:.3g} mm as most rows have"
            yield Finding("warning", "scan size", rows, message, "another device or scan? else correct spacing_mm")
