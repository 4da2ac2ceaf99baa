"""Small operations on pictures: blending, blur, smooth texture."""

from __future__ import annotations

import numpy as np


def rgb(colour: tuple[float, float, float]) -> np.ndarray:
    """A colour as (3,) float32, 0 to 1."""
    return np.array(colour, dtype=np.float32)


def mix(image: np.ndarray, colour: np.ndarray, weight: np.ndarray) -> None:
    """Blend a colour, (3,) or (H, W, 3), into the image in place."""
    image += weight[..., None] * (colour - image)


def blur_matrix(size: int, sigma_px: float) -> np.ndarray:
    """Gaussian blur of rows (left factor) or columns (transposed, right factor), normalised at the edge."""
    distance = np.arange(size)[:, None] - np.arange(size)[None, :]
    kernel = np.exp(-0.5 * (distance / max(sigma_px, 1e-3)) ** 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), dtype=np.float32)


def cloud(size: int, coarse: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random texture, mean 0, SD about 1."""
    grid = rng.standard_normal((coarse, coarse))
    position = np.linspace(0.0, coarse - 1.0, size)
    weights = np.exp(-0.5 * ((position[:, None] - np.arange(coarse)) / 0.6) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return np.asarray(weights @ grid @ weights.T, dtype=np.float32)
