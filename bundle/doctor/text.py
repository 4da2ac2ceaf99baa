"""The report as text: for a terminal of 100 columns and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import LEVELS, Finding
from bundle.doctor.tables import cohort_table, count_text, rows_text, scan_table
from bundle.reporting.grid import to_markdown, to_text

_WHAT_WIDTH, _ROWS_WIDTH = 56, 18
_FINDING_HEAD = ("Check", "Rows", "What was found, and what to do")


def headline(evidence: Evidence, findings: Sequence[Finding]) -> str:
    """How much was read and what was found, in one line."""
    images = f"{len(evidence.oct)} OCT volumes and {len(evidence.fundus)} photographs read"
    return f"{evidence.rows.n_rows} rows, {images}: {count_text(findings)}"


def split_text(evidence: Evidence) -> str:
    """Where the split comes from."""
    if evidence.split_given:
        return "Split: as the manifest says."
    if evidence.splits:
        return "Split: the manifest has none; this is how training deals the patients with the seed 0."
    return "Split: none."


def terminal_text(evidence: Evidence, findings: Sequence[Finding]) -> str:
    """The whole report for a terminal."""
    parts = [headline(evidence, findings)]
    if evidence.examinations:
        header, rows = cohort_table(evidence)
        parts.append(to_text(header, [("", rows)]) + split_text(evidence))
    if evidence.oct:
        header, rows = scan_table(evidence)
        parts.append(to_text(header, [("", rows)], left=4).rstrip())
    blocks = [(f"{level}s", [row for one in findings if one.level == level for row in _lines(one)]) for level in LEVELS]
    if findings:
        parts.append(to_text(_FINDING_HEAD, [block for block in blocks if block[1]], left=3).rstrip())
    return "\n\n".join(parts) + "\n"


def _lines(finding: Finding) -> list[list[str]]:
    """One finding as the lines of a cell that wraps."""
    what = textwrap.wrap(finding.message, _WHAT_WIDTH)
    if finding.fix:
        what += textwrap.wrap(finding.fix, _WHAT_WIDTH, initial_indent="→ ", subsequent_indent="  ")
    rows = textwrap.wrap(rows_text(finding.rows), _ROWS_WIDTH)
    height = max(len(what), len(rows))
    columns = [[finding.check], rows, what]
    padded = [column + [""] * (height - len(column)) for column in columns]
    return [list(cells) for cells in zip(*padded, strict=True)]


def markdown(evidence: Evidence, findings: Sequence[Finding]) -> str:
    """The whole report in Markdown."""
    parts = ["# Check of a cohort", f"{headline(evidence, findings)}."]
    if findings:
        columns = ("Level", *_FINDING_HEAD[:2], "What was found", "What to do")
        cells = [[f.level, f.check, rows_text(f.rows), f.message, f.fix] for f in findings]
        parts += ["## Findings", to_markdown(columns, cells, left=5).rstrip()]
    if evidence.examinations:
        header, rows = cohort_table(evidence)
        parts += ["## Eyes and labels", to_markdown(header, rows).rstrip(), split_text(evidence)]
    if evidence.oct:
        header, rows = scan_table(evidence)
        parts += ["## Scans", to_markdown(header, rows, left=4).rstrip()]
    return "\n\n".join(parts) + "\n"
