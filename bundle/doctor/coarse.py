"""Block means: a large image as a small one, in one pass and without a copy of it in floating point."""

from __future__ import annotations

import numpy as np


def block_mean(values: np.ndarray, axis: int, size: int) -> np.ndarray:
    """float32 means of `size` blocks of nearly equal length along an axis; a shorter axis stays as it is."""
    length = values.shape[axis]
    if length <= size:
        return values.astype(np.float32)
    starts = np.arange(size) * length // size
    counts = np.diff(np.append(starts, length))
    sums = np.add.reduceat(values, starts, axis=axis, dtype=np.float32)
    return np.asarray(sums / counts.reshape([-1 if one == axis else 1 for one in range(values.ndim)]), dtype=np.float32)


def standard_pattern(image: np.ndarray, size: int = 16) -> np.ndarray:
    """(size, size) float32 of mean 0 and SD 1: what is where in an image (H, W), whatever its size and light."""
    small = block_mean(block_mean(image, 0, size), 1, size)
    rows, columns = (np.arange(size) * n // size for n in small.shape)
    square = small[np.ix_(rows, columns)]  # repeats rows or columns of a smaller image
    spread = float(square.std())
    return np.asarray((square - square.mean()) / (spread if spread > 0 else 1.0), dtype=np.float32)
