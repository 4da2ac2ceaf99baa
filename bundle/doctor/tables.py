"""The tables of the report: the cohort beside a clinic, the scans, the findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from bundle.data.examination import SPLITS, Examination
from bundle.doctor.checks.scans import protocols
from bundle.doctor.clinic import UWHVF_SHARES, stage_shares
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import LEVELS, Finding
from bundle.metrics import STAGES

Table = tuple[tuple[str, ...], list[list[str]]]  # header, rows
_COHORT_HEAD = ("Split", "Exams", "Eyes", "Patients", "MD, dB", *STAGES, "OCT", "Fundus")
_SCAN_HEAD = ("Device", "Voxels (B-scan x depth x A-scan)", "Spacing, um", "Type", "Volumes")


def cohort_table(evidence: Evidence) -> Table:
    """One row a split, one for all, and one with the shares of the stages in UWHVF."""
    groups = {name: [one for one in evidence.examinations if evidence.splits.get(one.row) == name] for name in SPLITS}
    rows = [_cohort_row(name, chosen) for name, chosen in groups.items() if chosen]
    shares = [f"{UWHVF_SHARES[stage]:.0%}" for stage in STAGES]
    clinic = ["a clinic (UWHVF)", "7428", "7428", "–", "−6.5 ± 6.1", *shares, "–", "–"]
    return _COHORT_HEAD, [*rows, _cohort_row("all", evidence.examinations), clinic]


def _cohort_row(name: str, chosen: Sequence[Examination]) -> list[str]:
    md_db = np.array([one.md_db for one in chosen if one.labelled])
    eyes, patients = {(one.patient_id, one.eye) for one in chosen}, {one.patient_id for one in chosen}
    spread, stages = "–", ["–"] * len(STAGES)
    if md_db.size:
        spread = f"{md_db.mean():.1f} ± {md_db.std():.1f}".replace("-", "−")
        stages = [f"{share:.0%}" for share in stage_shares(md_db).values()]
    images = [sum(one.oct is not None for one in chosen), sum(one.fundus is not None for one in chosen)]
    counts = map(str, (len(chosen), len(eyes), len(patients)))
    return [name, *counts, spread, *stages, *map(str, images)]


def scan_table(evidence: Evidence) -> Table:
    """One row a scan protocol, the most frequent first."""
    rows = [
        [device or "not stated", " x ".join(map(str, shape)), " x ".join(spacing), kind, str(count)]
        for (shape, spacing, kind, device), count in protocols(evidence).most_common()
    ]
    return _SCAN_HEAD, rows


def count_text(findings: Sequence[Finding]) -> str:
    """ "2 errors, 1 warning, 0 notes"."""
    counts = Counter(one.level for one in findings)
    return ", ".join(f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in LEVELS)


def rows_text(rows: Sequence[int], most: int = 8) -> str:
    """ "3, 7-9 (4 rows)": runs joined, at most `most` of them; "cohort" for an empty sequence."""
    if not rows:
        return "cohort"
    runs = [[row for _, row in run] for _, run in groupby(enumerate(sorted(rows)), key=lambda pair: pair[1] - pair[0])]
    shown = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:most])
    more = ", ..." if len(runs) > most else ""
    return f"{shown}{more} ({len(rows)} rows)" if len(rows) > 1 else shown
