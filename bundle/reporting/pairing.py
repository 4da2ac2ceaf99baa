"""Trainings lined up eye by eye, so that what makes an eye hard for two of them cancels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from bundle.metrics.arrays import FloatArray
from bundle.reporting.predictions import Predictions
from bundle.reporting.scores import Run


def labelled_in_order(runs: Mapping[Run, Predictions], cohort: str) -> dict[Run, Predictions]:
    """The labelled eyes of a cohort's runs, in the order of their rows."""
    found = {}
    for run, predictions in runs.items():
        if run.cohort == cohort:
            eyes = predictions.select(predictions.labelled)
            found[run] = eyes.select(np.argsort(eyes.row, kind="stable"))
    return found


def stacked(
    answers: Mapping[Run, Predictions], method: str, others: Mapping[Run, Predictions], reference: str
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """Both methods' answers (shared seeds, eyes), labels (eyes,) and patients (eyes,); None without a shared seed.

    Args:
        answers, others: what `labelled_in_order` gave, of the method and of the reference.
    """
    ours, theirs = ({run.seed: one for run, one in found.items() if run.method == name}
                    for found, name in ((answers, method), (others, reference)))  # fmt: skip
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        return None
    eyes = theirs[seeds[0]]
    pred, other = (np.stack([one[seed].answer_db for seed in seeds]) for one in (ours, theirs))
    return pred, other, eyes.label_db, eyes.patient.astype(np.float64)


def check_same_eyes(answers: Iterable[tuple[Run, Predictions]]) -> None:
    """Refuse runs of a cohort that cannot be paired.

    Raises:
        ValueError: two of them answer for different eyes, patients or labels.
    """
    pairs = list(answers)
    for run, other in pairs[1:]:
        one, first = pairs[0]
        same = np.array_equal(first.row, other.row) and np.array_equal(first.patient, other.patient)
        # A CSV file keeps seven digits of a label, so a run read back may differ from one in memory by rounding.
        if not (same and np.allclose(first.label_db, other.label_db, rtol=1e-5, atol=1e-5)):
            raise ValueError(
                f"cohort '{run.cohort}': {run.method} (seed {run.seed}) and {one.method} (seed {one.seed}) "
                "answer for different eyes, patients or labels; a paired comparison needs the same"
            )
