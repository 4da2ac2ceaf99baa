"""Names beside the points that they belong to, moved apart where they would overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bundle.metrics.arrays import FloatArray
from bundle.reporting.plots.style import PALE


def spread(places: Sequence[float], gap: float, low: float, high: float) -> FloatArray:
    """The places nearest to the given ones, in the order given, of which none is nearer to another than `gap`.

    Least squares under the order's constraint: with the gaps taken off, an isotonic regression (pool adjacent
    violators; Barlow et al., 1972). All lie within [low, high] where there is room.
    """
    order = np.argsort(places, kind="stable")
    offsets = gap * np.arange(len(places))
    blocks: list[list[float]] = []  # mean and size
    for place in np.asarray(places, np.float64)[order] - offsets:
        blocks.append([place, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, size = blocks.pop()
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + mean * size) / (blocks[-1][1] + size), blocks[-1][1] + size]
    level = np.repeat([mean for mean, _ in blocks], [int(size) for _, size in blocks])
    room = max(low, high - gap * (len(places) - 1))
    found = np.empty(len(places))
    found[order] = np.clip(level, low, room) + offsets
    return found


def label_right(
    axes: Axes, names: Sequence[str], x: Sequence[float], y: Sequence[float], colours: Sequence[str], size: float = 8.0
) -> None:
    """Each name right of the axes at its point's height or near it, with a thin line from the point.

    Call it when the axes' content is complete, with a linear y axis; the figure must be high enough for all names.

    Args:
        x, y: (names,), in the units of the data.
    """
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    figure = axes.get_figure(root=True)
    assert figure is not None
    height_in = 0.8 * float(figure.get_size_inches()[1])  # of the axes, about: the layout is made later
    places = spread([(level - low) / (high - low) for level in y], 1.25 * size / 72 / height_in, 0.0, 1.0)
    line = {"arrowstyle": "-", "color": PALE, "linewidth": 0.7, "relpos": (0, 0.5), "shrinkA": 0, "shrinkB": 2}
    for name, point, place, colour in zip(names, zip(x, y, strict=True), places, colours, strict=True):
        axes.annotate(name, point, xytext=(1.05, place), textcoords="axes fraction", va="center", fontsize=size,
                      color=colour, arrowprops=line)  # fmt: skip
