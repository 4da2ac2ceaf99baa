"""Which images go with which visual field: the rules of docs/ingest.md, on descriptions alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from bundle.ingest.consistency import consistent
from bundle.ingest.records import Described, LeftOut, Visit

REPEATED_FIELD = "a later visual field of the same eye and day was taken"
NO_IMAGE = "no OCT and no photograph of this eye within the window"
NO_FIELD = "no visual field of this eye within the window"
NOT_CHOSEN = "another scan of this eye was nearer in time or better"


def pair(described: Iterable[Described], window_days: int) -> tuple[list[Visit], list[LeftOut]]:
    """Each visual field with the best OCT and the best photograph of the same eye.

    window_days: how far apart field and image may be, in calendar days.
    Returns the visits, by patient, eye and date, and every description that is in none, with the reason.
    """
    usable, left_out = consistent(list(described))
    eyes: dict[tuple[str, str], list[Described]] = defaultdict(list)
    for one in usable:
        eyes[one.person.key, one.eye].append(one)
    visits: list[Visit] = []
    for key in sorted(eyes):
        of_eye, out = _pair_eye(eyes[key], window_days)
        visits += of_eye
        left_out += out
    return visits, left_out


def _pair_eye(described: list[Described], window_days: int) -> tuple[list[Visit], list[LeftOut]]:
    fields, left_out = _one_field_a_day([one for one in described if one.kind == "field"])
    visits = []
    for field in fields:
        images = {kind: choose([i for i in described if i.kind == kind], field, window_days) for kind in IMAGES}
        if any(images.values()):
            visits.append(Visit(field=field, oct=images["oct"], fundus=images["fundus"]))
        else:
            left_out.append(field.left_out(NO_IMAGE))
    used = {image.number for visit in visits for image in visit.images}
    for one in described:
        if one.kind in IMAGES and one.number not in used:
            near = any(_days(one, field) <= window_days for field in fields)
            left_out.append(one.left_out(NOT_CHOSEN if near else NO_FIELD))
    return visits, left_out


IMAGES = ("oct", "fundus")


def _one_field_a_day(fields: list[Described]) -> tuple[list[Described], list[LeftOut]]:
    """The last field of each day, by day: where a test was repeated, the first attempt had failed."""
    last: dict[date, Described] = {}
    left_out = []
    for field in sorted(fields, key=lambda one: (one.taken, one.number)):
        if field.taken.date() in last:
            left_out.append(last[field.taken.date()].left_out(REPEATED_FIELD))
        last[field.taken.date()] = field
    return [last[day] for day in sorted(last)], left_out


def choose(images: list[Described], field: Described, window_days: int) -> Described | None:
    """The best image for a field, or None when none is within the window.

    The nearest day counts first; of two days equally near, the later. Of that day's scans: the highest quality, where
    all state one and come from one device; else the most B-scans; else the latest.
    """
    near = [one for one in images if _days(one, field) <= window_days]
    if not near:
        return None
    day = min((one.taken.date() for one in near), key=lambda d: (abs((d - field.taken.date()).days), -d.toordinal()))
    scans = [one for one in near if one.taken.date() == day]
    comparable = all(one.quality is not None for one in scans) and len({one.device for one in scans}) == 1
    return max(
        scans, key=lambda one: ((one.quality or 0.0) if comparable else 0.0, one.n_bscans, one.taken, one.number)
    )


def _days(one: Described, other: Described) -> int:
    return abs((one.taken.date() - other.taken.date()).days)
