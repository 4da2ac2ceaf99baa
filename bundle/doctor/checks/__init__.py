"""The checks: each turns the evidence into findings. To add one, write a function and put it into `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bundle.doctor.checks.axes import depth_axis, depth_spacing
from bundle.doctor.checks.bscans import bscan_order, odd_bscans
from bundle.doctor.checks.duplicates import repeated_examinations, same_content
from bundle.doctor.checks.files import checksums, table, unreadable
from bundle.doctor.checks.fundus_light import fundus_light, fundus_size
from bundle.doctor.checks.labels import clinic, copied_labels, spread
from bundle.doctor.checks.laterality import mirrored_left_eyes, stated_eye, unstated_eye
from bundle.doctor.checks.oct_light import oct_light
from bundle.doctor.checks.scans import scan_extent, scan_protocols
from bundle.doctor.checks.splits import split_sizes
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import LEVELS, Finding

Check = Callable[[Evidence], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    table, unreadable, checksums, same_content, repeated_examinations, stated_eye, unstated_eye, mirrored_left_eyes,
    spread, copied_labels, clinic, split_sizes, depth_axis, depth_spacing, scan_extent, scan_protocols, odd_bscans,
    bscan_order, oct_light, fundus_light, fundus_size,
)  # fmt: skip


def examine(evidence: Evidence) -> list[Finding]:
    """Everything that was found, errors first, then in the order of the checks and of the rows."""
    found = [finding for check in CHECKS for finding in check(evidence)]
    return sorted(found, key=lambda one: LEVELS.index(one.level))
