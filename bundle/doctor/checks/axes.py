"""Is depth where it should be, and in the right unit?"""

from __future__ import annotations

from collections.abc import Iterator

from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding

AXES = ("B-scan", "depth", "A-scan")
_CLEAR = 3.0  # of the variance along depth over the next axis; above 30 in phantom and real B-scans
_DEVICES_UM = (1.5, 6.0)


def depth_axis(evidence: Evidence) -> Iterator[Finding]:
    """The retina is a bright band at one depth: the mean profile along depth must vary most, and by far."""
    swapped: dict[int, list[int]] = {0: [], 2: []}
    unclear = []
    for row, facts in evidence.oct.items():
        bscan, depth, ascan = facts.axis_shares
        if max(bscan, ascan) > depth:
            swapped[0 if bscan > ascan else 2].append(row)
        elif max(bscan, ascan) * _CLEAR > depth:
            unclear.append(row)
    for axis, rows in swapped.items():
        if rows:
            message = f"found the retina's bright band along the {AXES[axis]} axis, expected it along depth"
            fix = 'state the file\'s order in a sidecar, such as {"axes": ["ascan", "depth", "bscan"]}'
            yield Finding("error", "axes", tuple(rows), message, fix)
    if unclear:
        message = "found no clear bright band along depth: is it a retina, and are the axes in order?"
        yield Finding("warning", "axes", tuple(unclear), message, "look at the picture")


def depth_spacing(evidence: Evidence) -> Iterator[Finding]:
    """Devices have 1.5 to 6 um between voxels in depth; other values are resampled scans or a wrong unit."""
    low, high = _DEVICES_UM
    found = {row: facts.spacing_mm[1] * 1000 for row, facts in evidence.oct.items()}
    rows = tuple(row for row, um in found.items() if not low <= um <= high)
    if rows:
        least, most = min(found[row] for row in rows), max(found[row] for row in rows)
        shown = f"{least:.3g}" if f"{least:.3g}" == f"{most:.3g}" else f"{least:.3g} to {most:.3g}"
        message = f"found {shown} um between voxels in depth, expected {low:g} to {high:g} um as devices have"
        yield Finding("warning", "depth spacing", rows, message, "fine for resampled volumes; else correct spacing_mm")
