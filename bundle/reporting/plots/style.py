"""One look for all pictures, without matplotlib's global figure state."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bundle.reporting.atomic import write_bytes_atomic
from bundle.reporting.predictions import SUBSET_TITLES

DPI = 150
# Okabe and Ito's palette: distinct under the common colour-vision deficiencies.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GREY, PALE = "#222222", "#7F7F7F", "#D9D9D9"
NAME_COLOURS: dict[str, str] = {
    "oct+fundus": BLUE, "oct": GREEN, "fundus": ORANGE, "fusion": PURPLE, "as available": SKY,
    "train": GREY, "validation": ORANGE, "test": BLUE,
}  # fmt: skip
STAGE_SHADES: dict[str, str] = {
    "near-normal": "#FFFFFF", "early": "#F7F7F7", "moderate": "#EFEFEF", "severe": "#E5E5E5",
}  # fmt: skip

_STYLE: Any = {
    "figure.facecolor": "white", "savefig.facecolor": "white", "font.family": "DejaVu Sans", "font.size": 9,
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 9.5,
    "axes.edgecolor": GREY, "axes.labelcolor": INK, "axes.linewidth": 0.8, "axes.spines.top": False,
    "axes.spines.right": False, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5, "legend.frameon": False, "legend.fontsize": 8.5, "lines.linewidth": 1.6,
}  # fmt: skip


BLOCK_TITLES: dict[str, str] = {**SUBSET_TITLES, "fusion": "Fusion head"}
DASHED = (0, (5, 3))


@contextmanager
def paper_style() -> Iterator[None]:
    """The look, for figures created and saved inside the block; the user's own settings come back after it."""
    with rc_context(_STYLE):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that fits its content; it belongs to no window and no list of open figures."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write the figure at 150 dpi, atomically; returns the path."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI)
    return write_bytes_atomic(path, content.getvalue())


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, the minus as long as the plus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def light_grid(axes: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Thin lines behind the data."""
    axes.grid(True, axis=axis, color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def titled_with_legend(axes: Axes, title: str, handles: Sequence[Artist]) -> None:
    """The title, and under it the legend in one line above the axes, where it hides no data."""
    axes.set_title(title, pad=22)
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=len(handles), borderaxespad=0.2)
