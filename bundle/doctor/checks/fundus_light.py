"""Photographs that are dark, over-exposed, blurred, without colour, or of another size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding
from bundle.doctor.fundus_facts import FundusFacts

_DARK = 30.0  # of 255; GRAPE's darkest of 375 photographs has 29
_SATURATED = 0.03  # GRAPE's brightest has .0001
_BLURRED = 0.1
_MIN_PHOTOGRAPHS = 5
_OTHER_SIZE = 2.0


def fundus_light(evidence: Evidence) -> Iterator[Finding]:
    """Brightness, saturation and colour of each photograph, sharpness against the cohort's median."""
    photographs = evidence.fundus
    yield from _those(
        photographs, lambda one: one.brightness < _DARK, "warning", "dark photograph",
        f"found photographs whose brightest parts are below {_DARK:.0f} of 255",
        "look at them; drop what shows nothing",
    )  # fmt: skip
    yield from _those(
        photographs, lambda one: one.saturated_share > _SATURATED, "warning", "saturated photograph",
        f"found photographs with more than {_SATURATED:.0%} of the pixels white", "export without clipping",
    )  # fmt: skip
    coloured = sum(not one.grey for one in photographs.values())
    if 0 < coloured < len(photographs):
        yield from _those(
            photographs, lambda one: one.grey, "note", "grey photograph",
            "found photographs without colour among coloured ones", "was another camera or filter used?",
        )  # fmt: skip
    if len(photographs) >= _MIN_PHOTOGRAPHS:
        limit = _BLURRED * float(np.median([one.sharpness for one in photographs.values()]))
        yield from _those(
            photographs, lambda one: one.sharpness < limit, "note", "blurred photograph",
            f"found photographs with less than {_BLURRED:.0%} of the usual fine detail", "look at them",
        )  # fmt: skip


def fundus_size(evidence: Evidence) -> Iterator[Finding]:
    """Photographs whose sides are far from the usual ones."""
    if len(evidence.fundus) < _MIN_PHOTOGRAPHS:
        return
    usual = np.median([one.shape for one in evidence.fundus.values()], axis=0)

    def is_odd(one: FundusFacts) -> bool:
        ratio = np.asarray(one.shape) / usual
        return bool((ratio > _OTHER_SIZE).any() or (ratio < 1 / _OTHER_SIZE).any())

    yield from _those(
        evidence.fundus, is_odd, "note", "photograph size",
        f"found photographs of another size than the usual {usual[1]:.0f} x {usual[0]:.0f} pixels",
        "is it the same field of view? a cropped disc beside whole photographs teaches the camera",
    )  # fmt: skip


def _those(
    photographs: Mapping[int, FundusFacts],
    is_so: Callable[[FundusFacts], bool],
    level: str,
    check: str,
    message: str,
    fix: str,
) -> Iterator[Finding]:
    rows = tuple(row for row, one in photographs.items() if is_so(one))
    if rows:
        yield Finding(level, check, rows, message, fix)
