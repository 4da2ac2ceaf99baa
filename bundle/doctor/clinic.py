"""How Mean Deviation is spread among the eyes of a clinic.

UWHVF (Montesano et al., TVST 2022; uw-biomedical-ml/uwhvf, BSD-3): 7,428 eyes of one American university clinic, the
first Humphrey 24-2 field of each. Their figure is the unweighted mean of the total deviations, not the device's MD:
even the best twentieth begins at -0.9 dB, so a shift by 1 or 2 dB is one of scale. A cohort of another kind differs
with good reason. The comparison is for the reader; a difference is no fault.
"""

from __future__ import annotations

import numpy as np

from bundle.metrics import STAGES, stage_index

# percentiles of the mean total deviation, dB
UWHVF_PERCENTS = (0, 1, *range(5, 96, 5), 99, 100)
UWHVF_QUANTILES_DB = (
    -32.91, -28.82, -20.26, -15.18, -12.05, -9.69, -8.01, -6.96, -6.15, -5.53, -4.97, -4.51,
    -4.09, -3.69, -3.33, -2.98, -2.65, -2.32, -1.91, -1.48, -0.89, 0.27, 18.05,
)  # fmt: skip
UWHVF_MEDIAN_DB = UWHVF_QUANTILES_DB[UWHVF_PERCENTS.index(50)]
UWHVF_SHARES = dict(zip(STAGES, (0.303, 0.334, 0.212, 0.151), strict=True))


def stage_shares(md_db: np.ndarray) -> dict[str, float]:
    """Share of the eyes in each stage by MD (1-D, dB); at least one eye."""
    counts = np.bincount(stage_index(md_db), minlength=len(STAGES))
    return {stage: float(count) / md_db.size for stage, count in zip(STAGES, counts, strict=True)}


def distance_to_clinic(md_db: np.ndarray) -> float:
    """Kolmogorov and Smirnov's distance to UWHVF: the largest difference of the two distribution functions, 0 to 1.

    UWHVF's function is the line through its percentiles, so differences below about .02 mean nothing.
    """
    ordered = np.sort(md_db)
    clinic = np.interp(ordered, UWHVF_QUANTILES_DB, UWHVF_PERCENTS) / 100
    steps = np.arange(ordered.size + 1) / ordered.size
    return float(np.maximum(np.abs(clinic - steps[:-1]), np.abs(clinic - steps[1:])).max())
