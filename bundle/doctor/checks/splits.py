"""Is every split there, and large enough?"""

from __future__ import annotations

from collections.abc import Iterator

from bundle.data.examination import SPLITS
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding
from bundle.metrics.recalibration import MIN_EYES


def split_sizes(evidence: Evidence) -> Iterator[Finding]:
    """Empty splits, a split that cannot be drawn, and too few validation eyes to recalibrate on."""
    if evidence.no_split:
        found, _, fix = evidence.no_split.removeprefix("split: ").rpartition(": ")
        yield Finding("error", "splits", (), found or fix, fix if found else "")
    if not evidence.splits:
        return
    for name in SPLITS:
        if name not in evidence.splits.values():
            message = f"found no row with the split {name}, expected some"
            yield Finding("error", "splits", (), message, "fill the column split, or empty it: patients are then dealt")
    validation = evidence.md_db("validation").size
    if evidence.labels == "required" and 0 < validation < MIN_EYES:
        message = f"found {validation} validation eyes with an MD: below {MIN_EYES} the answers are not recalibrated"
        yield Finding("note", "splits", (), message)
