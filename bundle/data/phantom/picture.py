"""A picture of twelve phantom eyes from healthy to nearly blind, for the documentation."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.interpolate import griddata

from bundle.data.perimetry import BLIND_SPOT, POINTS_DEG
from bundle.data.phantom.oct import scan_frame
from bundle.data.phantom.phantom import Phantom, PhantomExamination
from bundle.data.phantom.surfaces import TAPER_MM, layer_surfaces

TARGETS_DB = (1.5, 0.0, -1.0, -2.5, -4.0, -5.5, -7.5, -10.0, -13.0, -17.0, -22.0, -28.0)
SEARCH_PATIENTS = 150
COLUMNS = ("disc photograph", "B-scan through the disc", "RNFL thickness, 0-175 um", "24-2 field")
WIDTHS = (1.0, 2.1, 1.0, 1.0)


def choose_eyes(source: Phantom) -> list[PhantomExamination]:
    """The examinations whose MD is nearest to each of `TARGETS_DB`, every one from another patient."""
    pool = [e for index in range(SEARCH_PATIENTS) for e in source.examinations(index)]
    chosen: list[PhantomExamination] = []
    for target in TARGETS_DB:
        free = [e for e in pool if all(e.patient_index != c.patient_index for c in chosen)]
        chosen.append(min(free, key=lambda e: abs(e.md_db - target)))
    return chosen


def thickness_map_um(source: Phantom, examination: PhantomExamination) -> np.ndarray:
    """RNFL thickness as a perfect segmentation would give it, NaN at the disc: (B, A), as acquired."""
    anatomy = examination.oct_anatomy
    frame = scan_frame(anatomy, source.preset.oct, np.random.default_rng(0))
    surfaces = layer_surfaces(anatomy, frame.temporal_mm, frame.superior_mm, frame.offset_um)
    margin = np.hypot(frame.temporal_mm, frame.superior_mm) < max(anatomy.disc_radius_mm) + TAPER_MM
    thickness = np.where(margin, np.nan, surfaces.depth_um[1] - surfaces.depth_um[0])
    return thickness[:, ::-1] if examination.eye == "OS" else thickness


def grey_scale_field(examination: PhantomExamination) -> np.ndarray:
    """Thresholds interpolated on a 1-degree raster, NaN outside the pattern, mirrored for a left eye."""
    points, values = POINTS_DEG[~BLIND_SPOT], examination.hidden.field.measured_db[~BLIND_SPOT]
    x, y = np.meshgrid(np.arange(-30, 31), np.arange(27, -28, -1))
    raster = np.asarray(griddata(points, values, (x, y), method="linear"))
    nearest = np.asarray(griddata(points, values, (x, y), method="nearest"))
    distance = np.min(np.hypot(x[..., None] - POINTS_DEG[:, 0], y[..., None] - POINTS_DEG[:, 1]), axis=-1)
    raster = np.where(np.isnan(raster), nearest, raster)
    raster = np.where(np.hypot((x - 15.0) / 2.8, y / 3.8) < 1.0, 0.0, raster)
    raster = np.where(distance > 4.3, np.nan, raster)
    return raster[:, ::-1] if examination.eye == "OS" else raster


def draw_row(axes: list[Axes], source: Phantom, examination: PhantomExamination) -> None:
    """One eye: photograph, B-scan, thickness map, field and its numbers."""
    voxels, pixels = source.render(examination)
    spacing = source.preset.oct.spacing_mm
    axes[0].imshow(pixels)
    axes[1].imshow(voxels[voxels.shape[0] // 2], cmap="gray", vmin=10, vmax=170, aspect=spacing[1] / spacing[2])
    thickness = thickness_map_um(source, examination)
    axes[2].set_facecolor("0.75")
    axes[2].imshow(thickness, cmap="jet", vmin=0, vmax=175, aspect=spacing[0] / spacing[2], interpolation="bilinear")
    axes[3].imshow(grey_scale_field(examination), cmap="gray", vmin=-2, vmax=32)
    mean_um = float(examination.oct_anatomy.rnfl_um.mean())
    axes[3].text(
        1.04,
        0.5,
        f"{examination.eye}\nMD {examination.md_db:+.1f} dB\nRNFL {mean_um:.0f} um\n"
        f"age {examination.patient.age_years:.0f}\nsignal {examination.oct_anatomy.signal_strength:.0f}/10",
        transform=axes[3].transAxes,
        fontsize=7,
        va="center",
    )
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])


def draw_picture(path: str | os.PathLike[str], seed: int = 0) -> str:
    """Draw twelve eyes of the "realistic" preset, as acquired, in order of MD, and save them as PNG."""
    source = Phantom("realistic", seed)
    chosen = choose_eyes(source)
    half = len(chosen) // 2
    with matplotlib.rc_context({"figure.dpi": 100, "font.size": 8}):
        figure = Figure(figsize=(15.5, 1.28 * half + 0.4), layout=None)
        grid = figure.add_gridspec(
            half,
            10,
            width_ratios=[*WIDTHS, 0.62, *WIDTHS, 0.55],
            left=0.005,
            right=0.995,
            top=0.955,
            bottom=0.005,
            wspace=0.04,
            hspace=0.05,
        )
        for number, examination in enumerate(chosen):
            block, row = divmod(number, half)
            axes = [figure.add_subplot(grid[row, 5 * block + k]) for k in range(len(COLUMNS))]
            draw_row(axes, source, examination)
            if row == 0:
                for axis, title in zip(axes, COLUMNS, strict=True):
                    axis.set_title(title, fontsize=8)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=115)
    return str(path)
