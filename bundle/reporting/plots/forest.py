"""Methods against a reference, as dots with intervals."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from bundle.metrics import Interval
from bundle.reporting.comparison import Comparison
from bundle.reporting.comparison_table import has_recalibrated, versus_title
from bundle.reporting.plots.style import (
    BLUE,
    DASHED,
    GREY,
    INK,
    SKY,
    light_grid,
    new_figure,
    paper_style,
    save_png,
)

WIDE_RATIO = 2.0  # a logarithmic axis where ratios span more than this factor: 1/2 and 2 are then equally far from 1
BAND = "#F6F6F6"


def plot_comparison(comparisons: Mapping[str, Sequence[Comparison]], path: str | os.PathLike[str]) -> Path:
    """One panel a cohort: each method's ratio or difference to the reference, in the order given, best on top.

    Dot and bar are the mean over seeds and the 95 % interval over patients; the small ring is the mean seed by seed
    with +- its standard error; the light diamond and bar are the method after recalibration. The reference stands on
    the dashed line. The figures are at the right. A method far off all others (beyond three interquartile ranges of
    the middle half) is an arrow at the edge, so that the others stay apart.

    Args:
        comparisons: by cohort name, what `bundle.reporting.compare` returned; at least one row in all.
    """
    height = 1.4 + 0.36 * max(len(rows) for rows in comparisons.values())
    light = any(has_recalibrated(rows) for rows in comparisons.values())
    with paper_style():
        figure = new_figure(max(7.6 if light else 6.2, 0.6 + (6.0 if light else 4.6) * len(comparisons)), height)
        panels = figure.subplots(1, len(comparisons), squeeze=False)[0]
        for axes, (cohort, rows) in zip(panels, comparisons.items(), strict=True):
            _panel(axes, rows)
            axes.set_title(cohort, pad=16)
        keys = [
            Line2D([], [], color=BLUE, marker="o", markersize=4.5, linewidth=1.8, label="95 % CI over patients"),
            Line2D([], [], color=GREY, marker="o", markersize=4, markerfacecolor="white", linewidth=1.1,
                   label="± standard error over seeds"),
        ]  # fmt: skip
        if light:
            keys.insert(1, Line2D([], [], color=SKY, marker="D", markersize=4, linewidth=1.2, label="recalibrated"))
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
        return save_png(figure, path)


def _panel(axes: Axes, rows: Sequence[Comparison]) -> None:
    light_grid(axes, "x")
    first = rows[0]
    unity = 1.0 if first.how == "ratio" else 0.0
    low, high = _limits(rows, unity)
    wide = first.how == "ratio" and low > 0 and high > WIDE_RATIO * low
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low, high)
    axes.axvline(unity, color=INK, linewidth=1.0, linestyle=DASHED)
    for height, row in enumerate(rows):
        if height % 2:
            axes.axhspan(height - 0.5, height + 0.5, color=BAND, zorder=0)
        _marks(axes, height, row, unity)
    columns: list[tuple[str, int, str, list[Comparison | None]]] = [("as trained", 8, INK, list(rows))]
    if has_recalibrated(rows):
        columns.append(("recalibrated", 116, GREY, [row.recalibrated for row in rows]))
    for title, points, colour, shown in columns:
        texts = [_figures(row) for row in shown]
        for place, text in enumerate([title if len(columns) > 1 else "", *texts], start=-1):
            axes.annotate(text, (1.0, place), xycoords=axes.get_yaxis_transform(), xytext=(points, 0), va="center",
                          textcoords="offset points", fontsize=8.5, color=colour)  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.method for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(versus_title(first))


def _marks(axes: Axes, height: int, row: Comparison, unity: float) -> None:
    low, high = axes.get_xlim()
    if row.method == row.reference:
        axes.plot([unity], [height], "D", color=INK, markersize=5)
    for one, place, colour, marker, size, line in (
        (row.versus, height, BLUE, "o", 4.5, 1.8),
        (row.recalibrated.versus if row.recalibrated else None, height - 0.26, SKY, "D", 3.6, 1.2),
    ):
        if one is None:
            continue
        if not low <= one.value <= high:
            edge, arrow = (high, ">") if one.value > high else (low, "<")
            axes.plot([edge], [place], arrow, color=colour, markersize=6, clip_on=False)
            continue
        axes.plot([one.low, one.high], [place] * 2, color=colour, linewidth=line, solid_capstyle="butt")
        axes.plot([one.value], [place], marker, color=colour, markersize=size)
    seeds = row.versus_seeds
    if seeds is not None and low <= seeds.mean <= high:
        axes.errorbar([seeds.mean], [height + 0.26], xerr=[seeds.standard_error], fmt="o", color=GREY,
                      markerfacecolor="white", markersize=4, elinewidth=1.1)  # fmt: skip


def _figures(row: Comparison | None) -> str:
    if row is None:
        return ""
    return row.versus.format() if row.versus is not None else "reference" if row.method == row.reference else ""


def _intervals(row: Comparison) -> list[Interval]:
    both = (row.versus, None if row.recalibrated is None else row.recalibrated.versus)
    return [one for one in both if one is not None]


def _limits(rows: Sequence[Comparison], unity: float) -> tuple[float, float]:
    """The axis' range: all intervals of what lies within Tukey's outer fences, and the reference."""
    found = [one for row in rows for one in _intervals(row)]
    values = np.array([unity, *(one.value for one in found)])
    quarter, three_quarters = np.nanquantile(values, [0.25, 0.75])
    reach = 3 * (three_quarters - quarter) if len(rows) > 4 else np.inf
    near = [one for one in found if quarter - reach <= one.value <= three_quarters + reach]
    ends = np.array([[one.value, one.low, one.high] for one in near]).ravel()
    ends = np.append(ends[np.isfinite(ends)], unity)
    low, high = float(ends.min()), float(ends.max())
    space = 0.04 * (high - low) or 0.05
    return (max(low - space, low / 1.1) if rows[0].how == "ratio" and low > 0 else low - space), high + space
