"""What became of every source: a report without any name, and the private list that gives the names to its numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bundle.ingest.key_file import write_private
from bundle.ingest.records import Described, LeftOut, Visit
from bundle.reporting.atomic import write_text_atomic
from bundle.reporting.csv_cells import csv_text

REPORT_FILE, TABLE_FILE = "ingest_report.md", "ingest.csv"
_SHOWN_NUMBERS = 20
_KINDS = {"oct": "OCT", "fundus": "photograph", "field": "visual field", "other": "other"}


def write_report(
    out: Path, visits: Sequence[Visit], left_out: Sequence[LeftOut], parts: Mapping[int, int], n_burned_in: int,
    settings: str,
) -> Path:  # fmt: skip
    """Write `ingest_report.md` and `ingest.csv`; sources are named by their numbers alone.

    visits: in the manifest's order, the first being its row 2. parts: {frame of a series: the number it counts under}.
    """
    lines = [
        "# Ingestion", "",
        f"{len(visits)} examinations of {_count_eyes(visits)} eyes of {_count_patients(visits)} patients; "
        f"{_count(visits, 'oct', 'fundus')} with OCT and photograph, {_count(visits, 'oct')} with OCT only, "
        f"{_count(visits, 'fundus')} with a photograph only.", "",
    ]  # fmt: skip
    if visits:
        md_db = np.array([visit.field.md_db for visit in visits])
        lines += [f"MD {md_db.mean():.1f} ± {md_db.std():.1f} dB, {md_db.min():.1f} to {md_db.max():.1f} dB.", ""]
    lines += [f"Rules: {settings}.", ""]
    if n_burned_in:
        lines += [f"**{n_burned_in} images hold burned-in text and were kept, as asked**: column `burned_in`.", ""]
    lines += ["## Sources", "", "| | used | left out |", "|---|---|---|", *_kind_lines(visits, left_out), ""]
    lines += ["## Left out", "", *(_reason_lines(left_out) or ["Nothing."]), ""]
    lines += [f"Every source with its number, kind and fate: `{TABLE_FILE}`. Which file a number is, only the"]
    lines += ["private list of sources tells, which lies beside the key.", ""]
    write_text_atomic(
        out / TABLE_FILE, csv_text(("number", "kind", "outcome", "row", "reason"), _rows(visits, left_out, parts))
    )
    return write_text_atomic(out / REPORT_FILE, "\n".join(lines))


def used(visits: Sequence[Visit]) -> dict[int, tuple[Described, list[int]]]:
    """{number: (source, the manifest's rows it is in)}."""
    found: dict[int, tuple[Described, list[int]]] = {}
    for row, visit in enumerate(visits, start=2):
        for one in [visit.field, *visit.images]:
            found.setdefault(one.number, (one, []))[1].append(row)
    return found


def _rows(visits: Sequence[Visit], left_out: Sequence[LeftOut], parts: Mapping[int, int]) -> list[tuple[str, ...]]:
    rows = [
        (number, _KINDS[one.kind], "paired", " ".join(map(str, of)), "") for number, (one, of) in used(visits).items()
    ]
    rows += [(one.number, _KINDS[one.kind], "left out", "", one.reason) for one in left_out]
    rows += [(number, _KINDS["oct"], f"part of {first}", "", "") for number, first in parts.items()]
    return [(str(number), *rest) for number, *rest in sorted(rows)]


def _kind_lines(visits: Sequence[Visit], left_out: Sequence[LeftOut]) -> list[str]:
    paired = Counter(one.kind for one, _ in used(visits).values())
    out = Counter(one.kind for one in left_out)
    return [f"| {name} | {paired[kind]} | {out[kind]} |" for kind, name in _KINDS.items()]


def _reason_lines(left_out: Sequence[LeftOut]) -> list[str]:
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in left_out:
        numbers[_KINDS[one.kind], one.reason].append(one.number)
    if not numbers:
        return []
    lines = ["| kind | reason | sources | numbers |", "|---|---|---|---|"]
    for (kind, reason), found in sorted(numbers.items(), key=lambda item: (-len(item[1]), item[0])):
        shown = ", ".join(map(str, sorted(found)[:_SHOWN_NUMBERS]))
        more = f" and {len(found) - _SHOWN_NUMBERS} more" if len(found) > _SHOWN_NUMBERS else ""
        lines.append(f"| {kind} | {reason} | {len(found)} | {shown}{more} |")
    return lines


def _count(visits: Sequence[Visit], *kinds: str) -> int:
    return sum({image.kind for image in visit.images} == set(kinds) for visit in visits)


def _count_eyes(visits: Sequence[Visit]) -> int:
    return len({(visit.field.person.key, visit.field.eye) for visit in visits})


def _count_patients(visits: Sequence[Visit]) -> int:
    return len({visit.field.person.key for visit in visits})


def write_sources(path: Path, paths: Mapping[int, Path | str], left_out: Sequence[LeftOut]) -> Path:
    """Write the private list: number, path and what a reader said. It holds names: it never leaves the clinic."""
    details = {one.number: one.detail for one in left_out}
    rows = [(str(number), str(paths[number]), details.get(number, "")) for number in sorted(paths)]
    write_private(path, csv_text(("number", "path", "detail"), rows))
    return path
