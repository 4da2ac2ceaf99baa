"""Methods against a reference, as dots with intervals."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from bundle.reporting.comparison import Comparison
from bundle.reporting.comparison_table import versus_title
from bundle.reporting.plots.style import (
    BLUE,
    DASHED,
    GREY,
    INK,
    light_grid,
    new_figure,
    paper_style,
    save_png,
)

WIDE_RATIO = 2.0  # a logarithmic axis where ratios span more than this factor: 1/2 and 2 are then equally far from 1


def plot_comparison(comparisons: Mapping[str, Sequence[Comparison]], path: str | os.PathLike[str]) -> Path:
    """One panel a cohort: each method's ratio or difference to the reference, in the order given, best on top.

    Dot and bar are the mean over seeds and the 95 % interval over patients; the small ring is the mean seed by seed
    with +- its standard error. The reference stands on the dashed line.

    Args:
        comparisons: by cohort name, what `bundle.reporting.compare` returned; at least one row in all.
    """
    height = 1.3 + 0.36 * max(len(rows) for rows in comparisons.values())
    with paper_style():
        figure = new_figure(max(6.2, 0.6 + 4.6 * len(comparisons)), height)
        panels = figure.subplots(1, len(comparisons), squeeze=False)[0]
        for axes, (cohort, rows) in zip(panels, comparisons.items(), strict=True):
            _panel(axes, rows)
            axes.set_title(cohort)
        keys = [
            Line2D([], [], color=BLUE, marker="o", markersize=4.5, linewidth=1.8, label="95 % CI over patients"),
            Line2D([], [], color=GREY, marker="o", markersize=4, markerfacecolor="white", linewidth=1.1,
                   label="± standard error over seeds"),
        ]  # fmt: skip
        figure.legend(handles=keys, loc="outside lower center", ncols=2)
        return save_png(figure, path)


def _panel(axes: Axes, rows: Sequence[Comparison]) -> None:
    light_grid(axes, "x")
    first = rows[0]
    unity = 1.0 if first.how == "ratio" else 0.0
    axes.axvline(unity, color=INK, linewidth=1.0, linestyle=DASHED)
    for height, row in enumerate(rows):
        if row.method == row.reference:
            axes.plot([unity], [height], "D", color=INK, markersize=5)
        if row.versus is not None:
            axes.plot([row.versus.low, row.versus.high], [height] * 2, color=BLUE, linewidth=1.8, solid_capstyle="butt")
            axes.plot([row.versus.value], [height], "o", color=BLUE, markersize=4.5)
        if row.versus_seeds is not None:
            axes.errorbar([row.versus_seeds.mean], [height + 0.26], xerr=[row.versus_seeds.standard_error], fmt="o",
                          color=GREY, markerfacecolor="white", markersize=4, elinewidth=1.1)  # fmt: skip
    for height, row in enumerate(rows):
        text = "reference" if row.method == row.reference else "" if row.versus is None else row.versus.format()
        axes.text(1.02, height, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(rows)), [row.method for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(versus_title(first))
    low, high = axes.get_xlim()
    if first.how == "ratio" and low > 0 and high > WIDE_RATIO * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
