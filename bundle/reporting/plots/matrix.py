"""Methods by conditions: a figure in each cell, and its colour."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import CenteredNorm
from numpy.typing import ArrayLike

from bundle.reporting.plots.style import INK, new_figure, paper_style, save_png

SHARE = 90  # per cent of the cells that the range of colours holds: one method far off must not bleach the others


def plot_ratio_matrix(
    ratios: ArrayLike, methods: Sequence[str], conditions: Sequence[str], path: str | os.PathLike[str], *, title: str
) -> Path:
    """Ratios with a colour on a logarithmic scale: blue below 1 (better), red above it, white at 1.

    Args:
        ratios: (methods, conditions), > 0; NaN where there is none.
    """
    values = np.asarray(ratios, dtype=np.float64)
    logs = np.log(values)
    reach = max(float(np.nanpercentile(np.abs(logs), SHARE)) if np.isfinite(logs).any() else 0.0, np.log(1.05))
    with paper_style():
        figure = new_figure(2.4 + 1.05 * len(conditions), 1.1 + 0.27 * len(methods))
        axes = figure.add_subplot()
        axes.imshow(np.ma.masked_invalid(logs), aspect="auto", cmap="RdBu_r", norm=CenteredNorm(0.0, reach))
        for (row, column), value in np.ndenumerate(values):
            strong = np.isfinite(value) and abs(np.log(value)) > 0.7 * reach
            axes.text(column, row, f"{value:.2f}" if np.isfinite(value) else "–", ha="center", va="center",
                      fontsize=8, color="white" if strong else INK)  # fmt: skip
        axes.set_xticks(range(len(conditions)), [one.replace(", ", "\n") for one in conditions])
        axes.set_yticks(range(len(methods)), methods)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        return save_png(figure, path)
