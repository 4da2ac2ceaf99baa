"""Whether prediction intervals hold what they promise: the share of eyes whose measured MD lies inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bundle.metrics import STAGES, Interval, bootstrap_ci
from bundle.reporting.predictions import Predictions

ALL = "all"


@dataclass(frozen=True)
class CoverageRow:
    """One group of eyes (all, or a measured stage): share inside with its 95 % interval, and mean width, dB."""

    group: str
    n_eyes: int
    inside: Interval
    width_db: float


@dataclass(frozen=True)
class Coverage:
    """Of one split; `level` is the share that was promised for all eyes together, not for each stage."""

    level: float
    rows: list[CoverageRow]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for metrics.json: group -> figures."""
        groups = {
            row.group: {
                "n_eyes": row.n_eyes, "inside": row.inside.value, "inside_ci95": [row.inside.low, row.inside.high],
                "width_db": row.width_db,
            }
            for row in self.rows
        }  # fmt: skip
        return {"level": self.level, "groups": groups}

    def sentence(self) -> str:
        """All eyes in one line.

        >>> Coverage(0.9, [CoverageRow("all", 50, Interval(0.88, 0.8, 0.94), 7.25)]).sentence()
        '90 % intervals: 88 % of 50 eyes inside [80, 94], mean width 7.2 dB'
        """
        row = self.rows[0]
        return (
            f"{percent(self.level)} intervals: {percent(row.inside.value)} of {row.n_eyes} eyes inside "
            f"{limits(row.inside)}, mean width {row.width_db:.1f} dB"
        )


def coverage_of(predictions: Predictions, level: float, n_resamples: int, seed: int) -> Coverage | None:
    """Coverage over the labelled eyes that have an interval; None without any.

    Args:
        predictions: of one split.
        level: what the intervals promise.
        n_resamples, seed: of the patient-cluster bootstrap.
    """
    eyes = predictions.select(predictions.labelled & np.isfinite(predictions.low_db))
    if not len(eyes):
        return None
    inside = ((eyes.low_db <= eyes.label_db) & (eyes.label_db <= eyes.high_db)).astype(np.float64)
    width, stage = eyes.high_db - eyes.low_db, eyes.stage
    rows = []
    for group in (ALL, *STAGES):
        here = np.ones(len(eyes), bool) if group == ALL else stage == group
        n = int(here.sum())
        # the bias against zero is the mean, and has a fast bootstrap
        share = bootstrap_ci("bias", inside[here], np.zeros(n), eyes.patient[here], n_resamples=n_resamples, seed=seed)
        rows.append(CoverageRow(group, n, share, float(width[here].mean()) if n else float("nan")))
    return Coverage(level, rows)


def percent(share: float) -> str:
    """`88 %`, or a dash for NaN."""
    return "–" if np.isnan(share) else f"{100 * share:.0f} %"


def limits(share: Interval) -> str:
    """Its interval in percent, nothing where there is none."""
    return "" if np.isnan(share.low) else f"[{100 * share.low:.0f}, {100 * share.high:.0f}]"
