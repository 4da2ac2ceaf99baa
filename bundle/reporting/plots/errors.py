"""Where the errors are: by severity stage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from bundle.metrics import STAGE_RANGES, STAGES, stage_index
from bundle.metrics.arrays import finite_1d
from bundle.reporting.plots.style import (
    BLUE,
    GREY,
    INK,
    NAME_COLOURS,
    light_grid,
    new_figure,
    paper_style,
    save_png,
    titled_with_legend,
)
from bundle.reporting.predictions import SUBSET_TITLES


def plot_error_by_stage(
    pred_db: Mapping[str, ArrayLike], label_db: ArrayLike, path: str | os.PathLike[str], *,
    title: str = "Error by measured severity",
) -> Path:  # fmt: skip
    """Box plots of predicted - measured MD in each stage, one colour for each answer (such as "oct+fundus", "oct").

    Boxes hold the middle half with the median, whiskers reach the 5th and 95th percentile, the dot is the mean. Above
    zero the network calls a field healthier than it is, which is what shrinkage to the mean does to severe eyes.

    Args:
        pred_db: answers by name, (eyes,), dB; NaN where an eye lacks the modality.
        label_db: (eyes,), dB.
    """
    label = finite_1d(label_db, "label_db")
    stage = stage_index(label)
    step = 0.8 / len(pred_db)
    with paper_style():
        figure = new_figure(6.4, 4.2)
        axes = figure.add_subplot()
        light_grid(axes, "y")
        axes.axhline(0, color=INK, linewidth=0.9)
        for place, (name, values) in enumerate(pred_db.items()):
            error = np.asarray(values, dtype=np.float64) - label
            groups = [error[(stage == position) & np.isfinite(error)] for position in range(len(STAGES))]
            filled = [position for position, group in enumerate(groups) if group.size]
            axes.boxplot(
                [groups[position] for position in filled],
                positions=[position + (place - (len(pred_db) - 1) / 2) * step for position in filled],
                widths=0.78 * step, whis=(5, 95), showfliers=False, patch_artist=True, showmeans=True,
                boxprops={"facecolor": NAME_COLOURS.get(name, BLUE), "edgecolor": INK, "linewidth": 0.8, "alpha": 0.85},
                medianprops={"color": INK, "linewidth": 1.4}, whiskerprops={"color": GREY}, capprops={"color": GREY},
                meanprops={"marker": "o", "markerfacecolor": "white", "markeredgecolor": INK, "markersize": 3.5},
            )  # fmt: skip
        counts = np.bincount(stage, minlength=len(STAGES))
        names = [f"{name}\n{STAGE_RANGES[name]}\nn = {n:,}" for name, n in zip(STAGES, counts, strict=True)]
        axes.set_xticks(range(len(STAGES)), names)
        axes.set(xlim=(-0.55, len(STAGES) - 0.45), ylabel="Predicted − measured MD (dB)")
        keys = [Patch(color=NAME_COLOURS.get(name, BLUE), label=SUBSET_TITLES.get(name, name)) for name in pred_db]
        titled_with_legend(axes, title, keys)
        return save_png(figure, path)
