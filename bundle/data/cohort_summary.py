"""The cohort as a table that a person reads before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bundle.data.examination import Examination

_HEAD = ("split", "exams", "eyes", "patients", "MD mean +- SD dB", "early", "moderate", "severe", "no OCT", "no fundus")


def summarise(splits: Mapping[str, Sequence[Examination]], everyone: Sequence[Examination]) -> str:
    """A text table with one line a split, and one for all.

    Stages after Hodapp, Parrish and Anderson by MD alone: early above -6 dB, moderate -6 to -12 dB, severe below
    -12 dB; shares are of the labelled examinations.
    """
    lines = [_HEAD, *(_line(name, rows) for name, rows in splits.items() if rows), _line("all", everyone)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _line(name: str, rows: Sequence[Examination]) -> tuple[str, ...]:
    md_db = np.array([one.md_db for one in rows if one.labelled])
    eyes = {(one.patient_id, one.eye) for one in rows}
    patients = {one.patient_id for one in rows}
    spread, stages = "-", ["-"] * 3
    if md_db.size:
        spread = f"{md_db.mean():.2f} +- {md_db.std():.2f}"
        shares = [(md_db > -6).mean(), ((md_db <= -6) & (md_db >= -12)).mean(), (md_db < -12).mean()]
        stages = [f"{share:.0%}" for share in shares]
    missing = [str(sum(one.oct is None for one in rows)), str(sum(one.fundus is None for one in rows))]
    return (name, str(len(rows)), str(len(eyes)), str(len(patients)), spread, *stages, *missing)
