"""Methods over a condition that a study varies: the limit of epochs, or the cohort."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from bundle.reporting.plots.side_labels import label_right
from bundle.reporting.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    SKY,
    light_grid,
    new_figure,
    paper_style,
    save_png,
)

COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)  # for the best methods of the last condition


def plot_curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]], conditions: Sequence[str], path: str | os.PathLike[str], *,
    xlabel: str, ylabel: str = "Test MSE (dB²)", reference: str | None = None,
) -> Path:  # fmt: skip
    """One panel a title, one line a method over the conditions, named at the right.

    The six best under the last condition are coloured, the reference is dark, the others are grey.

    Args:
        panels: by title and method, one value a condition, NaN where there is none.
        conditions: names along the x axis, evenly spaced.
    """
    most = max(len(lines) for lines in panels.values())
    with paper_style():
        figure = new_figure(6.4 * len(panels), max(3.6, 0.9 + 0.19 * most))
        for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            _panel(axes, lines, reference)
            axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
            axes.set_xticks(range(len(conditions)), conditions)
        return save_png(figure, path)


def _panel(axes: Axes, lines: Mapping[str, Sequence[float]], reference: str | None) -> None:
    light_grid(axes, "y")
    known = {name: np.flatnonzero(np.isfinite(values)) for name, values in lines.items()}
    drawn = sorted((name for name in lines if known[name].size), key=lambda name: lines[name][known[name][-1]])
    colour = dict(zip([name for name in drawn if name != reference], COLOURS, strict=False))
    if reference is not None:
        colour[reference] = INK
    for name in reversed(drawn):
        x, y = known[name], np.asarray(lines[name])[known[name]]
        front = name in colour
        axes.plot(x, y, color=colour.get(name, PALE), marker="o", markersize=3.5 if front else 2.5,
                  linewidth=1.6 if front else 1.0, zorder=3 if front else 2)  # fmt: skip
    axes.margins(x=0.04)
    axes.autoscale_view()
    ends = [float(known[name][-1]) for name in drawn]
    heights = [float(lines[name][known[name][-1]]) for name in drawn]
    label_right(axes, drawn, ends, heights, [colour.get(name, GREY) for name in drawn])
