"""What an error cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from bundle.reporting.plots.side_labels import label_right
from bundle.reporting.plots.style import BLUE, INK, RED, light_grid, new_figure, paper_style, save_png

WIDE = 3.0  # a logarithmic axis where costs span more than this factor


def plot_cost(
    cost: Mapping[str, float], mse_db2: Mapping[str, float], path: str | os.PathLike[str], *,
    xlabel: str = "Gradient evaluations of a training", title: str = "Error and cost", reference: str | None = None,
) -> Path:  # fmt: skip
    """A named point a method: its cost (x) and its test MSE (y). Methods on the line have none better and cheaper.

    Args:
        cost, mse_db2: by method; a method with both is drawn.
        reference: this one is drawn dark.
    """
    names = [name for name in cost if isfinite(cost[name]) and isfinite(mse_db2.get(name, float("nan")))]
    names.sort(key=lambda name: (cost[name], mse_db2[name]))
    x, y = [cost[name] for name in names], [mse_db2[name] for name in names]
    front = [i for i in range(len(names)) if all(y[i] < other for other in y[:i])]
    with paper_style():
        figure = new_figure(7.4, max(3.8, 0.9 + 0.19 * len(names)))
        axes = figure.add_subplot()
        light_grid(axes)
        if x and max(x) > WIDE * min(x) > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.step([x[i] for i in front], [y[i] for i in front], where="post", color=RED, linewidth=1.0)
        colours = [INK if name == reference else RED if i in front else BLUE for i, name in enumerate(names)]
        axes.scatter(x, y, c=colours, s=18, zorder=3)
        axes.set(xlabel=xlabel, ylabel="Test MSE (dB²)", title=title)
        label_right(axes, names, x, y, colours)
        return save_png(figure, path)
