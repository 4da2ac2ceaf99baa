"""A mixture of normal distributions fitted to numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bundle.errors import InputError


def fit_gaussian_mixture(
    values: ArrayLike, n_components: int, min_sd: float, max_steps: int = 1000, tolerance: float = 1e-9
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares pi, means mu and variances v of p(y) = sum_k pi_k Normal(y; mu_k, v_k), by expectation-maximisation.

    Starts from equal shares, means at the quantiles (k + 1/2) / K and the variance of all values, so that the result
    depends on nothing but the values. `min_sd`^2 is added to every variance: repeated labels would make it 0.

    Args:
        values: at least one finite number, any shape.
        n_components: K; fewer where there are fewer distinct values.
        min_sd: > 0, in the unit of the values.
        max_steps, tolerance: stop when the mean log-likelihood changes by less.

    Returns:
        Three (K,) float64 arrays.

    Raises:
        InputError: no value, or one that is not finite; `n_components` below 1.
    """
    y = np.asarray(values, dtype=np.float64).ravel()
    if y.size == 0 or not np.isfinite(y).all():
        raise InputError(f"fit_gaussian_mixture: found {y.size} values, expected at least one, all finite")
    if n_components < 1:
        raise InputError(f"n_components: found {n_components}, expected 1 or more")
    k = min(n_components, np.unique(y).size)
    shares = np.full(k, 1 / k)
    means = np.quantile(y, (np.arange(k) + 0.5) / k)
    variances = np.full(k, y.var() + min_sd**2)
    before = -np.inf
    for _ in range(max_steps):
        log_joint = np.log(shares) - 0.5 * (np.log(2 * np.pi * variances) + (y[:, None] - means) ** 2 / variances)
        log_pdf = np.logaddexp.reduce(log_joint, axis=1)
        belongs = np.exp(log_joint - log_pdf[:, None])
        mass = belongs.sum(0) + 1e-12
        shares, means = mass / mass.sum(), belongs.T @ y / mass
        variances = (belongs * (y[:, None] - means) ** 2).sum(0) / mass + min_sd**2
        if abs(log_pdf.mean() - before) < tolerance:
            break
        before = log_pdf.mean()
    return shares, means, variances
