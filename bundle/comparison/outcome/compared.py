"""The methods of one study against its reference."""

from __future__ import annotations

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR
from bundle.comparison.outcome.results import Results
from bundle.comparison.planning.study import Study
from bundle.metrics.bootstrap import How
from bundle.reporting.comparison import Comparison, compare
from bundle.reporting.scores import scores_of

METRICS = ("mse", "mae", "r2", "ccc")


def compared(study: Study, results: Results, how: How) -> list[Comparison]:
    """The mean predictor first, then the methods, best mean first, each with its recalibrated answers too.

    While the reference has no finished run the mean predictor stands in for it.
    """
    finished = {run.method for run in results.runs}
    reference = study.reference if study.reference in finished else MEAN_PREDICTOR
    rows = compare(
        scores_of(results.runs, METRICS), results.runs, reference=reference, cohort=results.cohort, metric="mse",
        also=METRICS[1:], how=how, recalibrated=results.recalibrated,
    )  # fmt: skip
    return sorted(rows, key=lambda row: row.method != MEAN_PREDICTOR)  # sorted() keeps the order of the others
