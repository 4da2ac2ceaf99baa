"""Methods side by side over seeds, each against a reference on the same eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from bundle.metrics import Interval, badness, bootstrap_comparison, named_metric
from bundle.metrics.arrays import FloatArray
from bundle.metrics.bootstrap import How
from bundle.reporting.predictions import Predictions
from bundle.reporting.scores import Run, Score, Summary


@dataclass(frozen=True)
class Comparison:
    """One method on one cohort.

    summaries: by metric, over all seeds of the method.
    versus: difference or ratio to the reference of the mean over the shared seeds, with the 95 % interval over
        patients; None for the reference itself or without shared seeds.
    versus_seeds: the same figure seed by seed, its mean and standard error. Eyes and seeds are two sources of
        uncertainty: a method is better only if it is so for both.
    """

    method: str
    cohort: str
    metric: str
    how: How
    reference: str
    summaries: dict[str, Summary]
    versus: Interval | None
    versus_seeds: Summary | None


def compare(
    scores: Sequence[Score], runs: Mapping[Run, Predictions], *, reference: str, cohort: str, metric: str = "mse",
    also: Sequence[str] = (), how: How = "ratio", n_resamples: int = 2000, seed: int = 0,
) -> list[Comparison]:  # fmt: skip
    """All methods of a cohort, best mean first.

    Args:
        scores: the tidy table; means and standard errors come from it.
        runs: predictions of each training, for the paired intervals; a method without them has none.
        reference: the method that the others are compared with.
        also: further metrics to summarise.
        how: "ratio" (for MSE, RMSE, MAE) or "difference".

    Raises:
        InputError: an unknown metric name.
        ValueError: the cohort or the reference has no score of the metric; two runs of the cohort answer for different
            eyes or labels, so that they cannot be paired.
    """
    for name in (metric, *also):
        named_metric(name)
    here = [score for score in scores if score.cohort == cohort]
    methods = list(dict.fromkeys(score.method for score in here if score.metric == metric))
    if reference not in methods:
        known = ", ".join(methods) or "no method"
        raise ValueError(f"cohort '{cohort}': no {metric} of reference '{reference}', found {known}")
    answers = {run: _labelled(predictions) for run, predictions in runs.items() if run.cohort == cohort}
    _check_same_eyes(answers)
    found = []
    for method in methods:
        summaries = {name: Summary.of(_by_seed(here, method, name).values()) for name in (metric, *also)}
        versus, by_seed = None, None
        if method != reference:
            pair = _stacked(answers, cohort, method, reference)
            if pair is not None:
                versus = bootstrap_comparison(metric, *pair, how=how, n_resamples=n_resamples, seed=seed)
            by_seed = _versus_seeds(_by_seed(here, method, metric), _by_seed(here, reference, metric), how)
        found.append(Comparison(method, cohort, metric, how, reference, summaries, versus, by_seed))
    return sorted(found, key=_rank)


def _rank(row: Comparison) -> tuple[bool, float]:
    mean = row.summaries[row.metric].mean
    return isnan(mean), badness(row.metric, mean)


def _by_seed(scores: Sequence[Score], method: str, metric: str) -> dict[int, float]:
    return {score.seed: score.value for score in scores if (score.method, score.metric) == (method, metric)}


def _versus_seeds(ours: Mapping[int, float], theirs: Mapping[int, float], how: How) -> Summary | None:
    """The comparison within each shared seed."""
    shared = [seed for seed in ours if seed in theirs]
    if not shared:
        return None
    if how == "difference":
        return Summary.of(ours[seed] - theirs[seed] for seed in shared)
    return Summary.of(ours[seed] / theirs[seed] if theirs[seed] else nan for seed in shared)


def _stacked(
    answers: Mapping[Run, Predictions], cohort: str, method: str, reference: str
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """Both methods' answers (shared seeds, eyes), labels (eyes,) and patients (eyes,)."""
    seeds = [run.seed for run in answers if run.method == method and Run(reference, cohort, run.seed) in answers]
    if not seeds:
        return None
    ours, theirs = (
        np.stack([answers[Run(name, cohort, seed)].answer_db for seed in seeds]) for name in (method, reference)
    )
    eyes = answers[Run(reference, cohort, seeds[0])]
    return ours, theirs, eyes.label_db, eyes.patient.astype(np.float64)


def _labelled(predictions: Predictions) -> Predictions:
    """The labelled eyes in the order of their rows, so that runs line up."""
    eyes = predictions.select(predictions.labelled)
    return eyes.select(np.argsort(eyes.row, kind="stable"))


def _check_same_eyes(answers: Mapping[Run, Predictions]) -> None:
    runs = list(answers)
    for run in runs[1:]:
        first, other = answers[runs[0]], answers[run]
        same = np.array_equal(first.row, other.row) and np.array_equal(first.patient, other.patient)
        # A CSV file keeps seven digits of a label, so a run read back may differ from one in memory by rounding.
        if not (same and np.allclose(first.label_db, other.label_db, rtol=1e-5, atol=1e-5)):
            raise ValueError(
                f"cohort '{run.cohort}': {run.method} (seed {run.seed}) and {runs[0].method} (seed {runs[0].seed}) "
                "answer for different eyes, patients or labels; a paired comparison needs the same"
            )
