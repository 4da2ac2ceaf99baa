"""The report as one HTML file: no scripts, nothing loaded from elsewhere, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from bundle.data.examination import Examination
from bundle.doctor.evidence import Evidence
from bundle.doctor.finding import Finding
from bundle.doctor.tables import Table, cohort_table, rows_text, scan_table
from bundle.doctor.text import headline, split_text
from bundle.doctor.thumbnails import Thumbnails

_LINKED_ROWS = 40
_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d5d9de, #3a3f46); --soft: light-dark(#f5f6f8, #1c1f23);
  --error: light-dark(#b3261e, #ff8a80); --warning: light-dark(#8a5a00, #f0b64d);
  --note: light-dark(#35607f, #8fc1e3); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  background: light-dark(#ffffff, #121417); color: light-dark(#1b1f24, #e3e6ea); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .figures td:not(:first-child), .figures th:not(:first-child) { text-align: right; }
.level { font-weight: 600; white-space: nowrap; } .fix { opacity: .8; }
.error { color: var(--error); } .warning { color: var(--warning); } .note { color: var(--note); }
a { color: inherit; } .eyes { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
.eye { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .8rem; background: var(--soft); }
.eye:target { outline: 2px solid var(--note); } .eye h3 { font-size: 1rem; margin: 0; } .eye p { margin: .2rem 0; }
.pictures { display: flex; flex-wrap: wrap; gap: .5rem; }
figure { margin: 0; } img { display: block; border-radius: .2rem; }
figcaption, .small { font-size: .8rem; opacity: .75; }
"""


def html_page(evidence: Evidence, findings: Sequence[Finding], pictures: Mapping[int, Thumbnails]) -> str:
    """The page; eyes with pictures come in the order of `pictures`. An eye is named by its row and a patient number."""
    parts = [f"<h1>Check of a cohort</h1>\n<p>{escape(headline(evidence, findings))}.</p>"]
    if findings:
        parts.append(f"<h2>Findings</h2>\n{_findings(findings, pictures)}")
    if evidence.examinations:
        parts.append(f"<h2>Eyes and labels</h2>\n{_table(cohort_table(evidence), 'figures')}")
        parts.append(f'<p class="small">{escape(split_text(evidence))}</p>')
    if evidence.oct:
        parts.append(f"<h2>Scans</h2>\n{_table(scan_table(evidence))}")
    if pictures:
        parts.append(_eyes(evidence, findings, pictures))
    head = f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en">\n<title>Check of a cohort</title>\n{head}\n{body}\n</html>\n'


def _findings(findings: Sequence[Finding], pictures: Mapping[int, Thumbnails]) -> str:
    lines = [
        f'<tr><td class="level {one.level}">{one.level}</td><td>{escape(one.check)}</td>'
        f"<td>{_rows(one.rows, pictures)}</td>"
        f"<td>{escape(one.message)}{f'<br><span class=fix>→ {escape(one.fix)}</span>' if one.fix else ''}</td></tr>"
        for one in findings
    ]
    head = "<tr><th>Level<th>Check<th>Rows<th>What was found, and what to do</tr>"
    return f'<div class="wide"><table>{head}\n{chr(10).join(lines)}\n</table></div>'


def _rows(rows: Sequence[int], pictures: Mapping[int, Thumbnails]) -> str:
    """The rows as links to their pictures; the ranges alone when there are very many."""
    if not rows or len(rows) > _LINKED_ROWS:
        return escape(rows_text(rows))
    return ", ".join(f'<a href="#row-{row}">{row}</a>' if row in pictures else str(row) for row in rows)


def _table(table: Table, kind: str = "") -> str:
    header, rows = table
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in header)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return f'<div class="wide"><table class="{kind}">{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def _eyes(evidence: Evidence, findings: Sequence[Finding], pictures: Mapping[int, Thumbnails]) -> str:
    by_row = {one.row: one for one in evidence.examinations}
    patients = evidence.patient_numbers()
    cards = [
        _card(by_row[row], patients[row], evidence.splits.get(row), [one for one in findings if row in one.rows], shown)
        for row, shown in pictures.items()
    ]
    count = f"{len(cards)} of {len(by_row)} eyes, those with findings first" if len(cards) < len(by_row) else "all eyes"
    return f'<h2>Pictures ({count})</h2>\n<div class="eyes">\n{chr(10).join(cards)}\n</div>'


def _card(one: Examination, patient: int, split: str | None, findings: Sequence[Finding], pictures: Thumbnails) -> str:
    facts = [f"patient {patient}", one.eye, f"MD {one.md_db:.1f} dB" if one.labelled else "no MD", split or "no split"]
    told = "".join(f'<p class="{f.level}">{f.level}: {escape(f.check)}</p>' for f in findings)
    images = "".join(
        f'<figure><img src="{uri}" alt="{caption} of row {one.row}"><figcaption>{caption}</figcaption></figure>'
        for caption, uri in pictures.items()
    )
    title = f"<h3>Row {one.row}</h3><p>{escape(', '.join(facts))}</p>"
    return f'<div class="eye" id="row-{one.row}">{title}{told}<div class="pictures">{images}</div></div>'
