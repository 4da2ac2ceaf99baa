"""What the classical baselines see of an eye: standardised columns and the principal components of a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Array = NDArray[np.float64]


class Encoder(Protocol):
    """Fitted on the training fold alone, then applied to any eye."""

    def fit(self, x: Array) -> Self: ...

    def transform(self, x: Array) -> Array: ...


class Standardise:
    """Each column minus its training mean, over its training standard deviation; a constant column becomes 0."""

    def fit(self, x: Array) -> Self:
        self._mean = x.mean(axis=0)
        spread = x.std(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0)
        return self

    def transform(self, x: Array) -> Array:
        return (x - self._mean) / self._scale


class StandardiseWithSquares:
    """Standardised columns and their standardised squares: a ridge on them can follow the bend of field over RNFL."""

    def fit(self, x: Array) -> Self:
        self._linear = Standardise().fit(x)
        self._squares = Standardise().fit(self._linear.transform(x) ** 2)
        return self

    def transform(self, x: Array) -> Array:
        z = self._linear.transform(x)
        return np.hstack([z, self._squares.transform(z**2)])


class PrincipalComponents:
    """Scores on the first principal components of the training fold, divided by the standard deviation of the first.

    The common divisor keeps the components' relative spread, so a ridge penalty shrinks the small ones more, and puts
    the scores on the scale of standardised columns. Fewer components are used when the training fold has fewer eyes.
    Equation: with the centred training matrix X = U S V', the scores of x are (x - mean) V_k / (S_1 / sqrt(n)).
    """

    def __init__(self, n_components: int) -> None:
        if n_components < 1:
            raise ValueError(f"n_components: found {n_components}, expected at least 1")
        self._n = n_components

    def fit(self, x: Array) -> Self:
        self._mean = x.mean(axis=0)
        _, singular, axes = np.linalg.svd(x - self._mean, full_matrices=False)
        rank = int((singular > singular[0] * 1e-10).sum()) if singular[0] > 0 else 0
        self._axes = axes[: min(self._n, rank)]
        self._scale = singular[0] / np.sqrt(len(x)) if rank else 1.0
        return self

    def transform(self, x: Array) -> Array:
        return (x - self._mean) @ self._axes.T / self._scale


def photograph_pixels(path: Path, eye: str, side: int = 32) -> Array:
    """(side * side * 3,) pixels in [0, 1] of a photograph scaled to a square, in right-eye orientation.

    eye: "OD" or "OS"; a left eye is flipped so that temporal is on the left. The EXIF orientation is honoured.
    """
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file).convert("RGB").resize((side, side), Image.Resampling.BOX)
    pixels = np.asarray(image, dtype=np.float64) / 255.0
    return (pixels[:, ::-1] if eye == "OS" else pixels).ravel()
