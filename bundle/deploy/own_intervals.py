"""A model's prediction intervals, measured and fitted anew on eyes of another clinic or device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bundle.data import Cohort
from bundle.deploy.answered import answered_eyes, with_limits
from bundle.deploy.intervals import INTERVALS, described, fit_intervals
from bundle.deploy.model_folder import save_model
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError
from bundle.reporting.coverage import Coverage, coverage_of
from bundle.reporting.predictions import Predictions


def predict_cohort(predictor: Predictor, cohort: Cohort, split: str = "all") -> Predictions:
    """Answers for the labelled eyes of a cohort, with the model's present intervals.

    Args:
        predictor: with the model.
        cohort: of a manifest.
        split: "all", "train", "validation" or "test".

    Raises:
        InputError: an image that cannot be used, or no labelled eye that the model can read.
    """
    items = [item for item in cohort.items(split) if np.isfinite(item["label"])]
    answers = [(item, predictor.subsets_db(item)) for item in tqdm(items, desc="eyes", disable=None)]
    answers = [(item, subsets_db) for item, subsets_db in answers if np.isfinite(subsets_db[0])]
    if not answers:
        raise InputError(f"manifest: no eye with md_db and an image that this model reads ({split}); add some")
    rows, label_db = [item["row"] for item, _ in answers], np.array([item["label"] for item, _ in answers])
    eyes = answered_eyes(cohort, rows, label_db, np.array([subsets_db for _, subsets_db in answers]), split)
    return with_limits(eyes, predictor.intervals)


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
