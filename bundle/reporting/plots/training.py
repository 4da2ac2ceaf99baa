"""How a training went: its losses, and what the modulation did."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from bundle.metrics.arrays import FloatArray
from bundle.reporting.history import History
from bundle.reporting.plots.style import (
    BLOCK_TITLES,
    BLUE,
    DASHED,
    GREY,
    INK,
    NAME_COLOURS,
    RED,
    light_grid,
    new_figure,
    paper_style,
    save_png,
)

LOG_RANGE = 8.0  # a logarithmic axis where the largest value is more than this many times the smallest
POSITIVE = ("sharpness", "error")  # the traces without a natural limit, which may need a logarithmic axis
TRACES: tuple[tuple[str, str, float | None], ...] = (
    ("k", "step coefficient k", 1.0),
    ("share", "share of the ascent budget a", None),
    ("sharpness", "sharpness S", None),
    ("error", "relative error e = MSE / Var(y)", None),
    ("cosine", "cosine of gradients cos(u, v)", 0.0),
)


def plot_loss_curves(
    history: History, path: str | os.PathLike[str], *, train: str = "train_loss", validation: str = "val_mse",
    validation_label: str = "Validation MSE (dB²)", title: str = "Training",
) -> Path:  # fmt: skip
    """Training loss (left) and the validation metric (right) by epoch; the epoch with the lowest metric is marked.

    The two have their own axes, since the loss is of standardised labels and the metric is in dB^2. An axis is
    logarithmic where its values span more than a factor of 8. A series that the history lacks leaves an empty panel
    that says so.
    """
    with paper_style():
        figure = new_figure(7.4, 3.2)
        left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.06})
        _curve(left, history, train, GREY)
        left.set(ylabel="Training loss", title=title)
        _curve(right, history, validation, BLUE)
        right.set_ylabel(validation_label)
        best = history.best_epoch(validation)
        if best is not None:
            value = float(np.nanmin(history.column(validation)))
            right.axvline(best, color=RED, linewidth=0.9, linestyle=DASHED)
            right.plot([best], [value], "o", color=RED, markersize=5.5)
            right.set_title(f"best {value:.2f} at epoch {best}", fontweight="normal", fontsize=9, color=RED)
        return save_png(figure, path)


def plot_modulation(history: History, path: str | os.PathLike[str], *, title: str = "Gradient modulation") -> Path:
    """Small multiples by epoch of k_m, a_b, S_m, e_m and cos(u, v), one colour a block.

    Read from the columns k_oct, k_fundus, share_oct, share_fusion, sharpness_..., error_..., cosine_...; only the
    quantities that the history has are drawn.

    Raises:
        ValueError: the history has none of them.
    """
    present = [(key, label, at, names) for key, label, at in TRACES if (names := _blocks(history, key))]
    if not present:
        raise ValueError("history: no modulation columns such as k_oct or sharpness_fundus")
    columns = min(3, len(present))
    rows = -(-len(present) // columns)
    with paper_style():
        figure = new_figure(2.75 * columns + 0.2, 2.1 * rows + 0.7)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        handles = {}
        for axes, (key, label, reference, names) in zip(panels, present, strict=False):
            if reference is not None:
                axes.axhline(reference, color=INK, linewidth=0.8, linestyle=DASHED)
            for name in names:
                handles[name] = _curve(axes, history, f"{key}_{name}", NAME_COLOURS.get(name, INK))
            if key in POSITIVE:
                _scale(axes, np.concatenate([history.column(f"{key}_{name}") for name in names]))
            else:
                axes.set_yscale("linear")
            axes.set_title(label, fontweight="normal", fontsize=9)
        for axes in panels[len(present) :]:
            axes.set_axis_off()
        figure.legend(
            list(handles.values()),
            [BLOCK_TITLES.get(name, name) for name in handles],
            loc="outside lower center",
            ncols=len(handles),
        )
        return save_png(figure, path)


def has_modulation(history: History) -> bool:
    """Whether `plot_modulation` has something to draw."""
    return any(_blocks(history, key) for key, _, _ in TRACES)


def _blocks(history: History, key: str) -> Sequence[str]:
    """The blocks that the history has a finite value of the quantity for."""
    names = [name.removeprefix(f"{key}_") for name in history.columns if name.startswith(f"{key}_")]
    return [name for name in names if np.isfinite(history.column(f"{key}_{name}")).any()]


def _curve(axes: Axes, history: History, name: str, colour: str) -> Line2D:
    epoch, values = history.column("epoch"), history.column(name)
    known = np.isfinite(values)  # a validation every few epochs leaves gaps: join what there is
    few = 2 * int(known.sum()) <= 60
    (line,) = axes.plot(epoch[known], values[known], color=colour, marker="o" if few else "", markersize=2.8)
    light_grid(axes)
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    _scale(axes, values)
    if not known.any():
        axes.text(0.5, 0.5, f"no {name} recorded", transform=axes.transAxes, ha="center", color=GREY)
    return line


def _scale(axes: Axes, values: FloatArray) -> None:
    known = values[np.isfinite(values)]
    wide = known.size > 0 and known.min() > 0 and known.max() > LOG_RANGE * known.min()
    axes.set_yscale("log" if wide else "linear")
    if wide:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
