"""The comparison of methods as a table to read."""

from __future__ import annotations

from collections.abc import Sequence

from bundle.metrics import METRIC_TITLES, METRIC_UNITS
from bundle.reporting.comparison import Comparison
from bundle.reporting.grid import to_markdown, to_text

NOTE = (
    "Mean ± standard error over training seeds. The interval resamples patients, the same ones for both methods, after "
    "averaging over seeds; the last column is the same figure seed by seed, mean ± standard error."
)


def comparison_markdown(rows: Sequence[Comparison]) -> str:
    """One cohort's comparison in Markdown, in the order given (`compare` sorts it), with a note on how to read it."""
    header, cells = _cells(rows)
    return f"{to_markdown(header, cells)}\n{NOTE}\n"


def comparison_text(rows: Sequence[Comparison]) -> str:
    """The same table for a terminal, without the note."""
    header, cells = _cells(rows)
    return to_text(header, [(rows[0].cohort, cells)])


def versus_title(row: Comparison) -> str:
    """What the comparison column says, such as `MSE ÷ OCT only`."""
    return f"{METRIC_TITLES[row.metric]} {'÷' if row.how == 'ratio' else '−'} {row.reference}"


def _cells(rows: Sequence[Comparison]) -> tuple[list[str], list[list[str]]]:
    figures = [_heading(name) for name in rows[0].summaries]
    header = ["Method", "Seeds", *figures, f"{versus_title(rows[0])} [95 % CI]", "over seeds"]
    cells = []
    for row in rows:
        missing = "reference" if row.method == row.reference else "–"
        cells.append([
            row.method,
            str(row.summaries[row.metric].n_seeds),
            *(summary.format() for summary in row.summaries.values()),
            missing if row.versus is None else row.versus.format(),
            "–" if row.versus_seeds is None else row.versus_seeds.format(),
        ])  # fmt: skip
    return header, cells


def _heading(name: str) -> str:
    return f"{METRIC_TITLES[name]} ({METRIC_UNITS[name]})" if METRIC_UNITS[name] else METRIC_TITLES[name]
