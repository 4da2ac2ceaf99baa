"""The same picture twice, whatever its file is called, and the same examination twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bundle.data.examination import Examination
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding


def same_content(evidence: Evidence) -> Iterator[Finding]:
    """Images whose pixels are equal: leakage between splits, an error between eyes, a warning within one eye."""
    for modality in ("oct", "fundus"):
        groups: dict[str, list[Examination]] = defaultdict(list)
        for one in evidence.examinations:
            facts = evidence.oct.get(one.row) if modality == "oct" else evidence.fundus.get(one.row)
            if facts is not None:
                groups[facts.content].append(one)
        for group in groups.values():
            if len(group) > 1:
                yield from _judge(modality, group, evidence.splits)


def _judge(modality: str, group: list[Examination], splits: dict[int, str]) -> Iterator[Finding]:
    rows = tuple(one.row for one in group)
    names = sorted({splits[row] for row in rows if row in splits})
    if len({(one.patient_id, one.eye) for one in group}) == 1:
        message = f"found the same {modality} image for several examinations of an eye, expected one for each"
        yield Finding("warning", "duplicates", rows, message, "name each examination's own image, or keep one row")
    elif len({_file(one, modality) for one in group}) == 1:
        return  # one file under two rows is already told by the table's checks
    elif len(names) > 1 and len({one.patient_id for one in group}) > 1:
        message = f"found the same {modality} image in {' and '.join(names)}: the model would be tested on what it saw"
        yield Finding("error", "leakage", rows, message, "keep the row that is right and drop the others")
    else:
        message = f"found the same {modality} image for different eyes, expected each eye's own"
        yield Finding("error", "duplicates", rows, message, "keep the row that is right and mend the others")


def _file(one: Examination, modality: str) -> Path | None:
    path = one.oct if modality == "oct" else one.fundus
    return None if path is None else path.resolve()


def repeated_examinations(evidence: Evidence) -> Iterator[Finding]:
    """An eye in two rows of one visit, or of no stated visit, with different files."""
    groups: dict[tuple[str, str, str | None], list[Examination]] = defaultdict(list)
    for one in evidence.examinations:
        groups[one.patient_id, one.eye, one.visit].append(one)
    for group in groups.values():
        if len({(one.oct, one.fundus) for one in group}) > 1:
            rows = tuple(one.row for one in group)
            message = f"found the same eye {len(group)} times on one visit, expected one row an examination"
            fix = "put both images into one row, keep the better scan, or tell the visits apart in the column visit"
            yield Finding("warning", "repeats", rows, message, fix)
