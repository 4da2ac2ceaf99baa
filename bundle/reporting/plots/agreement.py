"""Do prediction and perimetry agree? The identity plot and the Bland-Altman plot."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bundle.metrics import STAGE_EDGES_DB, STAGES, Interval, mse, r2
from bundle.metrics.arrays import FloatArray, paired_db
from bundle.reporting.plots.style import (
    BLUE,
    DASHED,
    GREY,
    INK,
    RED,
    STAGE_SHADES,
    light_grid,
    new_figure,
    paper_style,
    save_png,
    signed,
    titled_with_legend,
)

MARGIN_DB = 1.5


def plot_identity(
    pred_db: ArrayLike, label_db: ArrayLike, path: str | os.PathLike[str], *, title: str = "Predicted and measured MD",
    mse_ci: Interval | None = None,
) -> Path:  # fmt: skip
    """Predicted against measured MD with the identity line, the severity stages shaded, and n, MSE and R2 written in.

    Args:
        pred_db, label_db: (eyes,), dB; at least one eye.
        mse_ci: shown as the MSE with its interval; None shows the plain MSE.
    """
    pred, label = paired_db(pred_db, label_db)
    limits = _limits(pred, label)
    step = 5 if limits[1] - limits[0] > 15 else 1
    ticks = np.arange(step * np.ceil(limits[0] / step), limits[1], step)
    with paper_style():
        figure = new_figure(4.8, 4.9)
        axes = figure.add_subplot()
        _shade_stages(axes, limits)
        axes.plot(limits, limits, color=INK, linewidth=1.0, linestyle=DASHED, label="identity", zorder=2)
        axes.scatter(
            label, pred, s=_dot_size(label.size), color=BLUE, alpha=_dot_alpha(label.size), linewidths=0, zorder=3
        )
        axes.set(
            xlim=limits, ylim=limits, xlabel="Measured MD (dB)", ylabel="Predicted MD (dB)", xticks=ticks, yticks=ticks
        )
        axes.set_title(title, pad=17)
        axes.set_aspect("equal")
        error = f"{mse(pred, label):.2f}" if mse_ci is None else mse_ci.format()
        text = f"n = {label.size:,} eyes\nMSE = {error} dB²\nR² = {r2(pred, label):.2f}"
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2.5}
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", linespacing=1.4, bbox=box, zorder=4)
        axes.legend(loc="lower right")
        return save_png(figure, path)


def plot_bland_altman(
    pred_db: ArrayLike, label_db: ArrayLike, path: str | os.PathLike[str], *, title: str = "Bland–Altman"
) -> Path:
    """Difference (predicted - measured) against the mean of the two, with bias and 95 % limits of agreement.

    Limits: bias +- 1.96 SD of the differences (n - 1 in the SD; Bland and Altman, Lancet 1986). They presume a spread
    that does not depend on severity; a fan or a slope in the cloud says that it does.
    """
    pred, label = paired_db(pred_db, label_db)
    difference, mean = pred - label, (pred + label) / 2
    bias = float(difference.mean())
    spread = 1.96 * float(difference.std(ddof=1)) if difference.size > 1 else 0.0
    with paper_style():
        figure = new_figure(6.2, 4.2)
        axes = figure.add_subplot()
        light_grid(axes, "y")
        axes.scatter(mean, difference, s=_dot_size(label.size), color=BLUE, alpha=_dot_alpha(label.size), linewidths=0)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.axhline(bias, color=INK, linewidth=1.4, label=f"bias {signed(bias)} dB")
        low, high = bias - spread, bias + spread
        limits = f"95 % limits of agreement {signed(low)} and {signed(high)} dB"
        axes.axhline(high, color=RED, linewidth=1.2, linestyle=DASHED, label=limits)
        axes.axhline(low, color=RED, linewidth=1.2, linestyle=DASHED)
        reach = 1.08 * max(float(np.abs(difference).max()), abs(low), abs(high), 0.5)
        axes.set(ylim=(-reach, reach), xlabel="Mean of predicted and measured MD (dB)",
                 ylabel="Predicted − measured MD (dB)")  # fmt: skip
        titled_with_legend(axes, title, axes.get_legend_handles_labels()[0])
        return save_png(figure, path)


def _limits(pred: FloatArray, label: FloatArray) -> tuple[float, float]:
    values = np.concatenate([pred, label])
    return float(values.min()) - MARGIN_DB, float(values.max()) + MARGIN_DB


def _shade_stages(axes: Axes, limits: tuple[float, float]) -> None:
    """A vertical band a stage of the measured MD, named above where it is wide enough."""
    edges = [limits[1], *STAGE_EDGES_DB, limits[0]]
    for stage, high, low in zip(STAGES, edges[:-1], edges[1:], strict=True):
        high, low = min(high, limits[1]), max(low, limits[0])
        if high <= low:
            continue
        axes.axvspan(low, high, color=STAGE_SHADES[stage], linewidth=0, zorder=0)
        if (high - low) / (limits[1] - limits[0]) > 0.07:
            height = 1.01 * limits[1] - 0.01 * limits[0]
            axes.text((low + high) / 2, height, stage, ha="center", va="bottom", fontsize=7.5, color=GREY)


def _dot_size(n: int) -> float:
    return 22.0 if n <= 100 else 14.0 if n <= 600 else 9.0


def _dot_alpha(n: int) -> float:
    return 0.85 if n <= 100 else 0.5 if n <= 600 else 0.35
