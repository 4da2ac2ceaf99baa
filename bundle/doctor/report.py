"""Writes the report: doctor.json, doctor.md and doctor.html."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bundle.data.examination import Examination
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import LEVELS, Finding
from bundle.doctor.page import html_page
from bundle.doctor.text import markdown
from bundle.doctor.thumbnails import thumbnails
from bundle.errors import InputError
from bundle.reporting import write_json_atomic, write_text_atomic


def write_report(
    evidence: Evidence, findings: Sequence[Finding], folder: Path, n_pictures: int = 200, workers: int | None = None
) -> Path:
    """Write the three files and return the page's path.

    n_pictures: eyes with pictures on the page, those with findings first. workers: threads; None takes one a core.
    Raises InputError when the folder cannot be written.
    """
    chosen = _with_pictures(evidence.examinations, findings, n_pictures)
    pictures = thumbnails(chosen, workers or os.cpu_count() or 1)
    try:
        write_json_atomic(folder / "doctor.json", _as_json(evidence, findings))
        write_text_atomic(folder / "doctor.md", markdown(evidence, findings))
        return write_text_atomic(folder / "doctor.html", html_page(evidence, findings, pictures))
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror}): choose another folder") from error


def _with_pictures(examinations: Sequence[Examination], findings: Sequence[Finding], most: int) -> list[Examination]:
    """The eyes of the gravest findings first, then in the table's order; what concerns many eyes comes last."""
    worst: dict[int, tuple[int, int]] = {}
    for one in findings:
        for row in one.rows:
            worst[row] = min(worst.get(row, (len(LEVELS), 0)), (LEVELS.index(one.level), len(one.rows)))
    return sorted(examinations, key=lambda one: (worst.get(one.row, (len(LEVELS), 0)), one.row))[:most]


def _as_json(evidence: Evidence, findings: Sequence[Finding]) -> dict[str, Any]:
    """Findings and every number that was measured, by row and patient number."""
    patients = evidence.patient_numbers()
    eyes = []
    for one in evidence.examinations:
        measured = evidence.eyes[one.row]
        record: dict[str, Any] = {"row": one.row, "patient": patients[one.row], "eye": one.eye, "md_db": one.md_db}
        record |= {"split": evidence.splits.get(one.row)}
        record |= {"oct": _plain(measured.oct), "fundus": _plain(measured.fundus)}
        eyes.append(record)
    return {"findings": [asdict(one) for one in findings], "eyes": eyes}


def _plain(facts: Any) -> dict[str, Any] | None:
    """The numbers of an image, without its small picture."""
    if facts is None:
        return None
    return {name: value for name, value in asdict(facts).items() if not isinstance(value, np.ndarray)}
