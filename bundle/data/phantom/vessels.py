"""Retinal vessels: four branching arcades, drawn once per eye so that photograph and OCT show the same tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP_MM = 0.06  # distance between points of a vessel
ARTERY_WIDTH_MM = 0.095  # retinal arteriole near the disc, about 95 um
VEIN_WIDTH_MM = 0.135  # artery-to-vein ratio about .7
BRANCHES = 4  # side branches a main vessel
# Direction in which each arcade leaves the disc and how it bends (degrees a mm, towards the macula or away from it).
ARCADES: tuple[tuple[float, float], ...] = ((78.0, -15.0), (108.0, 11.0), (-78.0, 15.0), (-108.0, -11.0))


@dataclass(frozen=True)
class Vessels:
    """A tree as points along its vessels, mm from the disc's centre (temporal +, superior +).

    Attributes:
        points_mm: (n, 2) temporal and superior coordinate.
        width_mm: (n,) full width at each point.
        vein: (n,) 1 where the vessel is a vein (wider, darker), 0 for an artery.
    """

    points_mm: np.ndarray
    width_mm: np.ndarray
    vein: np.ndarray


def no_vessels() -> Vessels:
    """An empty tree."""
    return Vessels(np.zeros((0, 2)), np.zeros(0), np.zeros(0))


def grow_vessels(rng: np.random.Generator) -> Vessels:
    """Draw a tree: an artery and a vein in each of the four arcades, each with side branches.

    Every vessel is a smooth random walk in direction; side branches leave at 25-55 degrees with 60 % of the width.
    All of them are advanced together, so an eye costs well under a millisecond.
    """
    n_main = 2 * len(ARCADES)
    n_vessels = n_main * (1 + BRANCHES)
    n_steps = int(4.4 / STEP_MM)
    vein = np.tile([0.0, 1.0], len(ARCADES))
    start_deg = np.repeat([a for a, _ in ARCADES], 2) + rng.normal(0.0, 7.0, n_main) + np.where(vein > 0, 5.0, -5.0)
    bend = np.repeat([b for _, b in ARCADES], 2) * rng.uniform(0.6, 1.5, n_main)
    wiggle = np.cumsum(rng.normal(0.0, 4.5, (n_vessels, n_steps)), axis=1)
    wiggle -= 0.9 * np.linspace(0.0, 1.0, n_steps) * wiggle[:, -1:]
    along = np.arange(n_steps) * STEP_MM
    main_deg = start_deg[:, None] + bend[:, None] * along + wiggle[:n_main]
    # The trunk leaves the disc nasal of its centre: temporal coordinate about -.15 mm.
    hilum = np.stack([rng.normal(-0.16, 0.05, n_main), rng.normal(0.0, 0.06, n_main)], axis=1)
    main = hilum[:, None] + np.cumsum(_unit(main_deg), axis=1) * STEP_MM
    origin = rng.integers(int(0.5 / STEP_MM), int(2.6 / STEP_MM), (n_main, BRANCHES))
    parent = np.repeat(np.arange(n_main), BRANCHES)
    at = origin.ravel()
    turn = rng.uniform(25.0, 55.0, parent.size) * np.where(np.arange(parent.size) % 2 == 0, 1.0, -1.0)
    branch_deg = (main_deg[parent, at] + turn)[:, None] + 0.3 * bend[parent][:, None] * along + wiggle[n_main:]
    branch = main[parent, at][:, None] + np.cumsum(_unit(branch_deg), axis=1) * STEP_MM
    width_main = np.where(vein > 0, VEIN_WIDTH_MM, ARTERY_WIDTH_MM) * rng.uniform(0.85, 1.15, n_main)
    taper = np.clip(1.0 - 0.17 * along, 0.25, 1.0)
    width_branch = 0.6 * width_main[parent] * taper[at]
    points = np.concatenate([main, branch]).reshape(-1, 2)
    width = (np.concatenate([width_main, width_branch])[:, None] * taper).ravel()
    is_vein = np.repeat(np.concatenate([vein, vein[parent]]), n_steps)
    keep = np.max(np.abs(points), axis=1) < 3.2
    return Vessels(points[keep], width[keep], is_vein[keep])


def _unit(angle_deg: np.ndarray) -> np.ndarray:
    radians = np.radians(angle_deg)
    return np.stack([np.cos(radians), np.sin(radians)], axis=-1)


def rasterise(points_mm: np.ndarray, width_mm: np.ndarray, rows_mm: np.ndarray, columns_mm: np.ndarray) -> np.ndarray:
    """Coverage in [0, 1] of a grid of pixels by vessels: the union of discs around the points.

    Args:
        points_mm: (n, 2) temporal and superior coordinate.
        width_mm: (n,) full width.
        rows_mm: (rows,) superior coordinate of each row, evenly spaced.
        columns_mm: (columns,) temporal coordinate of each column, evenly spaced.

    Returns:
        (rows, columns) float32; an edge is softened over one column width.
    """
    out = np.zeros((rows_mm.size, columns_mm.size), dtype=np.float32)
    if points_mm.shape[0] == 0:
        return out
    row_step, column_step = rows_mm[1] - rows_mm[0], columns_mm[1] - columns_mm[0]
    soft = abs(column_step)
    reach = width_mm.max() / 2.0 + soft / 2.0
    window_rows = np.arange(-int(np.ceil(reach / abs(row_step))), int(np.ceil(reach / abs(row_step))) + 1)
    window_columns = np.arange(-int(np.ceil(reach / soft)), int(np.ceil(reach / soft)) + 1)
    row = np.rint((points_mm[:, 1] - rows_mm[0]) / row_step).astype(np.int64)[:, None] + window_rows
    column = np.rint((points_mm[:, 0] - columns_mm[0]) / column_step).astype(np.int64)[:, None] + window_columns
    dy = (rows_mm[0] + row * row_step - points_mm[:, 1:2]).astype(np.float32)
    dx = (columns_mm[0] + column * column_step - points_mm[:, 0:1]).astype(np.float32)
    distance = np.sqrt(dy[:, :, None] ** 2 + dx[:, None, :] ** 2)
    width = width_mm[:, None, None].astype(np.float32)
    cover = np.clip((width + np.float32(soft)) / 2 - distance, 0.0, np.minimum(width, np.float32(soft)))
    cover /= np.float32(soft)
    inside = ((row >= 0) & (row < rows_mm.size))[:, :, None] & ((column >= 0) & (column < columns_mm.size))[:, None, :]
    inside &= cover > 0.0
    flat = (row[:, :, None] * columns_mm.size + column[:, None, :])[inside]
    np.maximum.at(out.reshape(-1), flat, cover[inside])
    return out
