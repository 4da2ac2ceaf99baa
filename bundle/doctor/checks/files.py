"""The table's own problems, files that cannot be used, and files that changed."""

from __future__ import annotations

from collections.abc import Iterator

from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding, from_problems


def table(evidence: Evidence) -> list[Finding]:
    """What `read_rows` found: cells, missing files, duplicates, patients in two splits."""
    return evidence.rows.findings


def unreadable(evidence: Evidence) -> list[Finding]:
    """Images that no reader accepts: damaged, of another format, blank, without spacing."""
    return from_problems("unreadable", [one for eye in evidence.eyes.values() for one in eye.unreadable], merge=True)


def checksums(evidence: Evidence) -> Iterator[Finding]:
    """Columns sha256_oct and sha256_fundus against the files; a note when no row fills them."""
    yield from from_problems("checksums", [one for eye in evidence.eyes.values() for one in eye.checksums])
    columns = ("sha256_oct", "sha256_fundus")
    if evidence.eyes and not any(one.extra.get(name) for one in evidence.examinations for name in columns):
        yield Finding(
            "note", "checksums", (), "found no checksums: a file that changes later would not be noticed",
            "fill the columns sha256_oct and sha256_fundus with what sha256sum prints",
        )  # fmt: skip
