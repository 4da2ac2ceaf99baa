"""B-scans that are blank, there twice, or out of order."""

from __future__ import annotations

from collections.abc import Iterator

from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding

_RANDOM_ORDER = 0.8  # of von Neumann's ratio: see bscan_order
_GAIN_OF_SORTING = 0.8


def odd_bscans(evidence: Evidence) -> Iterator[Finding]:
    """Volumes with blank or repeated B-scans."""
    blank = tuple(row for row, facts in evidence.oct.items() if facts.blank_bscans)
    if blank:
        most = max(evidence.oct[row].blank_bscans for row in blank)
        message = f"found blank B-scans, up to {most} in a volume, expected none"
        yield Finding("warning", "blank B-scans", blank, message, "export again, or drop rows that lack much")
    repeated = tuple(row for row, facts in evidence.oct.items() if facts.repeated_bscans)
    if repeated:
        most = max(evidence.oct[row].repeated_bscans for row in repeated)
        message = f"found B-scans that repeat another one exactly, up to {most} in a volume, expected none"
        yield Finding("warning", "repeated B-scans", repeated, message, "export again: a B-scan was copied or padded")


def bscan_order(evidence: Evidence) -> Iterator[Finding]:
    """Volumes whose B-scans seem shuffled, or sorted as text."""
    as_text = tuple(row for row, facts in evidence.oct.items() if facts.text_ratio < _GAIN_OF_SORTING)
    if as_text:
        message = "found B-scans that are ordered as text (1, 10, 11, ..., 2), expected the order of their numbers"
        yield Finding("warning", "B-scan order", as_text, message, "stack them by number, or name the folder of images")
    shuffled = tuple(
        row for row, facts in evidence.oct.items() if facts.order_ratio > _RANDOM_ORDER and row not in as_text
    )
    if shuffled:
        message = "found neighbouring B-scans that resemble each other no more than distant ones, expected far more"
        yield Finding("warning", "B-scan order", shuffled, message, "shuffled, or noise? look at the picture")
