"""A model's prediction intervals, measured and fitted anew on eyes of another clinic or device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bundle.data import Cohort
from bundle.deploy.intervals import INTERVALS, described, fit_intervals, limits_db
from bundle.deploy.model_folder import save_model
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError
from bundle.reporting.coverage import Coverage, coverage_of
from bundle.reporting.predictions import SUBSETS, Predictions


def predict_cohort(predictor: Predictor, cohort: Cohort, split: str = "all") -> Predictions:
    """Answers for the labelled eyes of a cohort, with the model's present intervals.

    Args:
        predictor: with the model.
        cohort: of a manifest.
        split: "all", "train", "validation" or "test".

    Raises:
        InputError: an image that cannot be used, or no labelled eye that the model can read.
    """
    numbers: dict[str, int] = {}
    patient = {one.row: numbers.setdefault(one.patient_id, len(numbers)) for one in cohort.rows}
    items = [item for item in cohort.items(split) if np.isfinite(item["label"])]
    rows = [(item, predictor.subsets_db(item)) for item in tqdm(items, desc="eyes", disable=None)]
    rows = [(item, md_db) for item, md_db in rows if np.isfinite(md_db[0])]
    if not rows:
        raise InputError(f"manifest: no eye with md_db and an image that this model reads ({split}); add some")
    fused, oct_only, fundus_only = np.array([md_db for _, md_db in rows], dtype=np.float64).T
    both = np.isfinite(oct_only) & np.isfinite(fundus_only)
    pred_db = dict(zip(SUBSETS, (np.where(both, fused, np.nan), oct_only, fundus_only), strict=True))
    eyes = Predictions(
        row=np.array([item["row"] for item, _ in rows]), eye=np.array([item["eye"] for item, _ in rows]),
        split=np.array([split] * len(rows)), patient=np.array([patient[item["row"]] for item, _ in rows]),
        label_db=np.array([item["label"] for item, _ in rows]), pred_db=pred_db,
    )  # fmt: skip
    low_db, high_db = limits_db(eyes.answer_db, eyes.modalities, predictor.intervals)
    return replace(eyes, low_db=low_db, high_db=high_db)


def fit_own_intervals(
    predictor: Predictor, cohort: Cohort, out: Path, level: float = 0.9, split: str = "all"
) -> Coverage | None:
    """Write the model to `out` with intervals fitted on these eyes. Returns how the present ones did on them.

    Args:
        predictor, cohort, split: see `predict_cohort`. Of the manifest that the model was trained with, only its
            validation or test split will do.
        out: folder to make.
        level: share of eyes to be inside.

    Raises:
        InputError: the folder exists, the model was trained on some of the eyes, or there are too few patients.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; give another --out")
    _check_unseen(predictor.description, cohort, split)
    eyes = predict_cohort(predictor, cohort, split)
    intervals = fit_intervals(eyes, level)
    if not intervals:
        raise InputError(f"manifest: too few patients for intervals that hold {level:g}; nothing was written")
    fitted = {**described(intervals), "eyes": len(eyes), "cohort_digest": cohort.digest}
    save_model(out, predictor.network, {**predictor.description, INTERVALS: fitted})
    present = next(iter(predictor.intervals.values()), None)
    return None if present is None else coverage_of(eyes, present.level, n_resamples=2000, seed=0)


def _check_unseen(description: dict[str, Any], cohort: Cohort, split: str) -> None:
    same_split = cohort.digest == description.get("cohort_digest")
    same_eyes = same_split or cohort.eyes_digest == description.get("eyes_digest")
    if same_eyes and not (same_split and split in ("validation", "test")):
        raise InputError(
            "manifest: the model was trained on some of these eyes, and its errors on them are too small; give eyes "
            "that it has not seen, or --split test of the very split it was trained with"
        )
