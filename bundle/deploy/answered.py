"""From a network's answers for rows of a manifest to the table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bundle.data import Cohort
from bundle.deploy.intervals import Intervals, limits_db
from bundle.metrics.arrays import FloatArray
from bundle.reporting.predictions import SUBSETS, Predictions


def answered_eyes(
    cohort: Cohort, rows: Sequence[int], label_db: FloatArray, subsets_db: FloatArray, split: str | None
) -> Predictions:
    """The table of n eyes; patients get anonymous numbers.

    Args:
        cohort: gives eye and patient of each row.
        rows: (n,) of the manifest.
        label_db: (n,) measured MD, dB, NaN where unknown.
        subsets_db: (n, 3), as `MDRegressor.predict_subsets`: from all that is present, OCT alone, fundus alone.
        split: its name; None takes each eye's own in the cohort.
    """
    numbers: dict[str, int] = {}
    patient = {one.row: numbers.setdefault(one.patient_id, len(numbers)) for one in cohort.rows}
    eye = {one.row: one.eye for one in cohort.rows}
    fused, oct_only, fundus_only = subsets_db.T
    fused = np.where(np.isfinite(oct_only) & np.isfinite(fundus_only), fused, np.nan)
    return Predictions(
        row=np.array(rows, dtype=np.int64),
        eye=np.array([eye[row] for row in rows]),
        split=np.array([split or cohort.splits[row] for row in rows]),
        patient=np.array([patient[row] for row in rows], dtype=np.int64),
        label_db=label_db,
        pred_db=dict(zip(SUBSETS, (fused, oct_only, fundus_only), strict=True)),
    )


def with_limits(eyes: Predictions, intervals: Intervals) -> Predictions:
    """The same eyes with the limits of their prediction intervals."""
    low_db, high_db = limits_db(eyes.answer_db, eyes.modalities, intervals)
    return replace(eyes, low_db=low_db, high_db=high_db)
