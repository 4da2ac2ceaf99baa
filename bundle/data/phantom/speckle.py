"""Speckle of a log-compressed OCT, matched to real Cirrus optic-disc B-scans."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import digamma

DEVICE_DEPTH_MM = 2.0 / 1024.0  # Cirrus: 1,024 samples over 2 mm
DEVICE_AXIAL_ACF = (1.0, 0.68, 0.25, 0.05)  # autocorrelation along depth at 0-3 samples; across A-scans about 0
GREY_PER_LOG_INTENSITY = 26.0 / 1.2825  # grey SD of 26 in a layer / SD of the log of exponential intensity


@lru_cache(maxsize=8)
def speckle_statistics(depth_spacing_mm: float) -> tuple[float, float]:
    """Number of looks and neighbour correlation along depth of voxels that average several device samples.

    For n samples with autocorrelation r_k, Var(mean) = (n + 2 sum_k (n - k) r_k) / n^2; looks = 1 / Var(mean).
    The covariance of two adjacent means is summed likewise. Voxels keep one A-scan and one B-scan, as in a strided
    export, so nothing is averaged across them.

    Returns:
        (looks, correlation); (1, 0.68) at the device's own depth sampling.
    """
    n = max(1, round(depth_spacing_mm / DEVICE_DEPTH_MM))
    acf = np.zeros(2 * n + len(DEVICE_AXIAL_ACF))
    acf[: len(DEVICE_AXIAL_ACF)] = DEVICE_AXIAL_ACF
    index = np.arange(n)
    variance = acf[np.abs(index[:, None] - index[None, :])].mean()
    covariance = acf[np.abs(index[:, None] - (index[None, :] + n))].mean()
    return float(1.0 / variance), float(covariance / variance)


def log_speckle(shape: tuple[int, int, int], depth_spacing_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Zero-mean log of multiplicative speckle for a (B-scan, depth, A-scan) volume: float32.

    Intensity is gamma distributed with `looks` degrees of freedom: the sum of two neighbours along depth with
    weights (1 - w, w) gives the wanted correlation w (1 - w) / ((1 - w)^2 + w^2).
    """
    looks, correlation = speckle_statistics(depth_spacing_mm)
    correlation = min(correlation, 0.49)
    weight = 0.5 * (1.0 - np.sqrt((1.0 - 2.0 * correlation) / (1.0 + 2.0 * correlation)))
    energy = (1.0 - weight) ** 2 + weight**2
    degrees = looks * energy
    raw = rng.standard_gamma(degrees, (shape[0], shape[1] + 1, shape[2]), dtype=np.float32)
    mixed = (1.0 - weight) * raw[:, :-1] + weight * raw[:, 1:]
    return np.asarray(np.log(mixed / np.float32(degrees) + np.float32(1e-6)) - (digamma(looks) - np.log(looks)))
