"""The labels as a whole: do they vary, are they copied from the other eye, are they those of a clinic?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from bundle.doctor.clinic import UWHVF_MEDIAN_DB, distance_to_clinic
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding

_MIN_PAIRS = 5
_COPIED_SHARE = 0.2  # two eyes of a patient have the same MD to .01 dB by chance in about 1 of 200
_MIN_EYES = 20
_FAR = 0.2


def spread(evidence: Evidence) -> Iterator[Finding]:
    """A training split whose MD never varies."""
    md_db = evidence.md_db("train")
    if md_db.size and np.ptp(md_db) == 0:
        message = f"found the same MD, {md_db[0]:g} dB, in every training row, expected eyes that differ"
        yield Finding("error", "labels", (), message, "fill the column md_db with each eye's own MD")


def copied_labels(evidence: Evidence) -> Iterator[Finding]:
    """Patients whose two eyes have exactly the same MD."""
    eyes: dict[tuple[str, str | None], dict[str, tuple[int, float]]] = defaultdict(dict)
    for one in evidence.examinations:
        if one.labelled:
            eyes[one.patient_id, one.visit][one.eye] = (one.row, one.md_db)
    pairs = [both for both in eyes.values() if len(both) == 2]
    same = [both for both in pairs if len({md_db for _, md_db in both.values()}) == 1]
    if len(pairs) >= _MIN_PAIRS and len(same) > _COPIED_SHARE * len(pairs):
        rows = tuple(sorted(row for both in same for row, _ in both.values()))
        message = f"found the same MD in both eyes of {len(same)} of {len(pairs)} patients, expected each eye's own"
        yield Finding("warning", "labels", rows, message, "was one eye's MD copied to the other? fill in both")


def clinic(evidence: Evidence) -> Iterator[Finding]:
    """A distribution of MD far from that of a clinic."""
    md_db = evidence.md_db()
    if md_db.size < _MIN_EYES or np.ptp(md_db) == 0:
        return
    distance = distance_to_clinic(md_db)
    if distance > _FAR:
        median_db = float(np.median(md_db))
        message = (
            f"these eyes are distributed unlike a clinic's: median {median_db:.1f} dB, in UWHVF {UWHVF_MEDIAN_DB:.1f}; "
            f"Kolmogorov-Smirnov distance {distance:.2f}"
        )
        yield Finding("note", "labels", (), message, "judge a model where eyes are distributed as those it is for")
