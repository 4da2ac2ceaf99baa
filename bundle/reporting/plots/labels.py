"""How severe the eyes are, split by split."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from bundle.metrics import STAGE_EDGES_DB, STAGES, stage_index
from bundle.metrics.arrays import finite_1d
from bundle.reporting.plots.style import (
    BLUE,
    DASHED,
    GREY,
    INK,
    NAME_COLOURS,
    light_grid,
    new_figure,
    paper_style,
    save_png,
    signed,
)

BIN_DB = 1.0
BOX = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}


def plot_label_distribution(
    label_db: Mapping[str, ArrayLike], path: str | os.PathLike[str], *, title: str = "Measured MD by split"
) -> Path:
    """A histogram of MD for each split (1 dB bins, share of the split's eyes), with each stage's share written in.

    Args:
        label_db: by split, (eyes,), dB; at least one split with eyes.
    """
    labels = {split: finite_1d(values, f"label_db['{split}']") for split, values in label_db.items()}
    labels = {split: values for split, values in labels.items() if values.size}
    every = np.concatenate(list(labels.values()))
    bins = np.arange(np.floor(every.min()), np.ceil(every.max()) + BIN_DB, BIN_DB)
    bins = bins if bins.size > 1 else np.array([bins[0], bins[0] + BIN_DB])
    with paper_style():
        figure = new_figure(6.4, 0.7 + 1.65 * len(labels))
        panels = figure.subplots(len(labels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (split, values) in zip(panels, labels.items(), strict=True):
            light_grid(axes, "y")
            share = np.full(values.shape, 100.0 / values.size)
            axes.hist(
                values, bins, weights=share, color=NAME_COLOURS.get(split, BLUE), edgecolor="white", linewidth=0.4
            )
            for edge in STAGE_EDGES_DB:
                axes.axvline(edge, color=INK, linewidth=0.8, linestyle=DASHED)
            shares = np.bincount(stage_index(values), minlength=len(STAGES)) / values.size
            text = "\n".join(f"{stage} {100 * part:.0f} %" for stage, part in zip(STAGES, shares, strict=True))
            axes.text(0.02, 0.78, text, transform=axes.transAxes, va="top", fontsize=8, linespacing=1.35, bbox=BOX)
            heading = f"{split}: n = {values.size:,}, mean {signed(values.mean(), 1)} dB, SD {values.std():.1f} dB"
            axes.text(0.02, 0.97, heading, transform=axes.transAxes, va="top", fontweight="bold", bbox=BOX)
            axes.set_ylabel("Eyes (%)")
        panels[0].set_title(title)
        panels[-1].set_xlabel("Measured MD (dB); dashed: stage limits at −3, −6 and −12 dB", color=INK)
        for axes in panels:
            axes.tick_params(color=GREY)
        return save_png(figure, path)
