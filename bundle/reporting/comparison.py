"""Methods side by side over seeds, each against a reference on the same eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

from bundle.metrics import Interval, badness, bootstrap_comparison, named_metric
from bundle.metrics.bootstrap import How
from bundle.reporting.pairing import check_same_eyes, labelled_in_order, stacked
from bundle.reporting.predictions import Predictions
from bundle.reporting.scores import Run, Score, Summary, scores_of


@dataclass(frozen=True)
class Comparison:
    """One method on one cohort.

    summaries: by metric, over all seeds of the method.
    versus: difference or ratio to the reference of the mean over the shared seeds, with the 95 % interval over
        patients; None for the reference itself or without shared seeds.
    versus_seeds: the same figure seed by seed, its mean and standard error. Eyes and seeds are two sources of
        uncertainty: a method is better only if it is so for both.
    recalibrated: the same method after recalibration, against the reference without it; None where there is none.
    """

    method: str
    cohort: str
    metric: str
    how: How
    reference: str
    summaries: dict[str, Summary]
    versus: Interval | None
    versus_seeds: Summary | None
    recalibrated: Comparison | None = None


def compare(
    scores: Sequence[Score], runs: Mapping[Run, Predictions], *, reference: str, cohort: str, metric: str = "mse",
    also: Sequence[str] = (), how: How = "ratio", n_resamples: int = 2000, seed: int = 0,
    recalibrated: Mapping[Run, Predictions] | None = None,
) -> list[Comparison]:  # fmt: skip
    """All methods of a cohort, best mean first.

    Args:
        scores: the tidy table; means and standard errors come from it.
        runs: predictions of each training, for the paired intervals; a method without them has none.
        reference: the method that the others are compared with.
        also: further metrics to summarise.
        how: "ratio" (for MSE, RMSE, MAE) or "difference".
        recalibrated: predictions of the same trainings after recalibration; a training may be missing.

    Raises:
        InputError: an unknown metric name.
        ValueError: the cohort or the reference has no score of the metric; two runs of the cohort answer for different
            eyes or labels, so that they cannot be paired.
    """
    names = (metric, *also)
    for name in names:
        named_metric(name)
    here = [score for score in scores if score.cohort == cohort]
    methods = list(dict.fromkeys(score.method for score in here if score.metric == metric))
    if reference not in methods:
        known = ", ".join(methods) or "no method"
        raise ValueError(f"cohort '{cohort}': no {metric} of reference '{reference}', found {known}")
    plain, changed = (labelled_in_order(found, cohort) for found in (runs, recalibrated or {}))
    check_same_eyes([*plain.items(), *changed.items()])
    theirs = _by_seed(here, reference, metric)

    def row(method: str, table: Sequence[Score], answers: Mapping[Run, Predictions]) -> Comparison:
        summaries = {name: Summary.of(_by_seed(table, method, name).values()) for name in names}
        pair = stacked(answers, method, plain, reference)
        versus = None
        if pair is not None:
            versus = bootstrap_comparison(metric, *pair, how=how, n_resamples=n_resamples, seed=seed)
        by_seed = _versus_seeds(_by_seed(table, method, metric), theirs, how)
        return Comparison(method, cohort, metric, how, reference, summaries, versus, by_seed)

    other = scores_of(changed, names)
    with_it = {method: row(method, other, changed) for method in dict.fromkeys(run.method for run in changed)}
    found = [row(method, here, {} if method == reference else plain) for method in methods]
    found = [replace(one, versus_seeds=None) if one.method == reference else one for one in found]
    return sorted([replace(one, recalibrated=with_it.get(one.method)) for one in found], key=_rank)


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
