"""The comparison of methods as a table to read."""

from __future__ import annotations

from collections.abc import Sequence

from bundle.metrics import METRIC_TITLES, METRIC_UNITS
from bundle.reporting.comparison import Comparison
from bundle.reporting.grid import to_markdown, to_text

NOTE = (
    "Mean ± standard error over training seeds. The interval resamples patients, the same ones for both methods, after "
    "averaging over seeds; the next column is the same figure seed by seed, mean ± standard error."
)
RECALIBRATED_NOTE = (
    "Recalibrated: a ridge regression fitted on each training's validation eyes corrects its answers; the reference "
    "that it is compared with stays as trained."
)


def comparison_markdown(rows: Sequence[Comparison]) -> str:
    """One cohort's comparison in Markdown, in the order given (`compare` sorts it), with a note on how to read it."""
    header, cells = _cells(rows)
    note = f"{NOTE} {RECALIBRATED_NOTE}" if has_recalibrated(rows) else NOTE
    return f"{to_markdown(header, cells)}\n{note}\n"


def comparison_text(rows: Sequence[Comparison]) -> str:
    """The same table for a terminal, without the note."""
    header, cells = _cells(rows)
    return to_text(header, [(rows[0].cohort, cells)])


def has_recalibrated(rows: Sequence[Comparison]) -> bool:
    """Whether any method is there with recalibration too."""
    return any(row.recalibrated is not None for row in rows)


def versus_title(row: Comparison) -> str:
    """What the comparison column says, such as `MSE ÷ OCT only`."""
    return f"{METRIC_TITLES[row.metric]} {_sign(row)} {row.reference}"


def _cells(rows: Sequence[Comparison]) -> tuple[list[str], list[list[str]]]:
    first = rows[0]
    figures = [_heading(name) for name in first.summaries]
    header = ["Method", "Seeds", *figures, f"{versus_title(first)} [95 % CI]", "over seeds"]
    cells = [_as_trained(row) for row in rows]
    if has_recalibrated(rows):
        header += [
            f"{METRIC_TITLES[first.metric]}, recalibrated",
            f"recalibrated {_sign(first)} {first.reference} [95 % CI]",
        ]
        cells = [[*row_cells, *_after(row)] for row, row_cells in zip(rows, cells, strict=True)]
    return header, cells


def _as_trained(row: Comparison) -> list[str]:
    missing = "reference" if row.method == row.reference else "–"
    return [
        row.method,
        str(row.summaries[row.metric].n_seeds),
        *(summary.format() for summary in row.summaries.values()),
        missing if row.versus is None else row.versus.format(),
        "–" if row.versus_seeds is None else row.versus_seeds.format(),
    ]


def _after(row: Comparison) -> list[str]:
    new = row.recalibrated
    if new is None:
        return ["–", "–"]
    return [new.summaries[row.metric].format(), "–" if new.versus is None else new.versus.format()]


def _sign(row: Comparison) -> str:
    return "÷" if row.how == "ratio" else "−"


def _heading(name: str) -> str:
    return f"{METRIC_TITLES[name]} ({METRIC_UNITS[name]})" if METRIC_UNITS[name] else METRIC_TITLES[name]
