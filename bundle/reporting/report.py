"""The report of an evaluation: a folder with a table, figures of merit, pictures and a page that shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from bundle.metrics import STAGE_RANGES, Interval
from bundle.reporting import plots
from bundle.reporting.atomic import write_json_atomic, write_text_atomic
from bundle.reporting.coverage import percent
from bundle.reporting.evaluation import ALL, Evaluation, evaluate
from bundle.reporting.history import History
from bundle.reporting.predictions import SUBSETS, Predictions
from bundle.reporting.tables import coverage_markdown, metrics_markdown, number

CAPTIONS: dict[str, str] = {
    "identity": "Predicted against measured MD. Shaded: severity stages of the measured MD.",
    "bland_altman": "Difference against mean, with bias and 95 % limits of agreement.",
    "error_by_stage": "Errors by measured stage: middle half, median, 5th to 95th percentile, and mean (dot).",
    "label_distribution": "Measured MD by split.",
    "loss_curves": "Training loss and validation MSE by epoch.",
    "modulation": "What the gradient modulation did, epoch by epoch.",
}


def write_report(
    predictions: Predictions,
    out_dir: str | os.PathLike[str],
    history: History | Sequence[Mapping[str, float | None]] | None = None,
    train_mean_db: float | None = None,
    title: str = "Mean Deviation from OCT and fundus photography",
    *,
    label_db_by_split: Mapping[str, ArrayLike] | None = None,
    evaluation: Evaluation | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Path]:
    """Write predictions.csv, metrics.json, report.md and its pictures, each atomically.

    Args:
        predictions: of one split.
        out_dir: made if missing; files of an earlier report are replaced.
        history: the training's record, for the loss and modulation pictures.
        train_mean_db: the training cohort's mean MD, for the reference that predicts it for every eye.
        label_db_by_split: measured MD of all splits, (eyes,), dB, for their histogram; None shows the predicted split.
        evaluation: what `evaluate` gave for these predictions, where the caller has it; None evaluates here, with
            `train_mean_db`, `n_resamples` and `seed`.
        n_resamples, seed: of the patient-cluster bootstrap.

    Returns:
        By name ("predictions", "metrics", "report", "identity", ...) the paths of the files written. Without any
        measured MD there are no figures of merit, and the report says so.

    Raises:
        ValueError: predictions of more than one split.
    """
    folder = Path(out_dir)
    if evaluation is None:
        evaluation = evaluate(predictions, train_mean_db=train_mean_db, n_resamples=n_resamples, seed=seed)
    eyes = predictions.select(predictions.labelled)
    record = history if isinstance(history, History) else History(history or ())
    pictures = _agreement_pictures(eyes, evaluation, folder) if len(eyes) else {}
    pictures |= _label_picture(eyes, label_db_by_split, folder)
    pictures |= _training_pictures(record, folder)
    return {
        "predictions": predictions.to_csv(folder / "predictions.csv"),
        "metrics": write_json_atomic(folder / "metrics.json", evaluation.to_dict()),
        "report": write_text_atomic(folder / "report.md", _page(title, predictions, evaluation, pictures)),
        **pictures,
    }


def _agreement_pictures(eyes: Predictions, evaluation: Evaluation, folder: Path) -> dict[str, Path]:
    answer, label = eyes.answer_db, eyes.label_db
    given = {name: eyes.pred_db[name] for name in SUBSETS if np.isfinite(eyes.pred_db[name]).any()}
    return {
        "identity": plots.plot_identity(answer, label, folder / "identity.png", mse_ci=_headline(evaluation)),
        "bland_altman": plots.plot_bland_altman(answer, label, folder / "bland_altman.png"),
        "error_by_stage": plots.plot_error_by_stage(given, label, folder / "error_by_stage.png"),
    }


def _headline(evaluation: Evaluation) -> Interval:
    """The first answer of an evaluation covers all eyes: "as available", or the only subset they have."""
    return next(row for row in evaluation.figures if row.group == ALL).intervals["mse"]


def _label_picture(
    eyes: Predictions, label_db_by_split: Mapping[str, ArrayLike] | None, folder: Path
) -> dict[str, Path]:
    labels = label_db_by_split or {split: eyes.of_split(split).label_db for split in np.unique(eyes.split)}
    labels = {split: values for split, values in labels.items() if np.size(values)}
    if not labels:
        return {}
    return {"label_distribution": plots.plot_label_distribution(labels, folder / "label_distribution.png")}


def _training_pictures(history: History, folder: Path) -> dict[str, Path]:
    pictures = {}
    if len(history):
        # the fused loss alone: the contrast's warm-up would make the total rise
        train = "loss_fused" if "loss_fused" in history.columns else "train_loss"
        pictures["loss_curves"] = plots.plot_loss_curves(history, folder / "loss_curves.png", train=train)
    if plots.has_modulation(history):
        pictures["modulation"] = plots.plot_modulation(history, folder / "modulation.png")
    return pictures


def _page(title: str, predictions: Predictions, evaluation: Evaluation, pictures: Mapping[str, Path]) -> str:
    measured = f"{evaluation.n_eyes:,} eyes of {evaluation.n_patients:,} patients"
    unmeasured = f"{len(predictions) - evaluation.n_eyes:,}"
    parts = [
        f"# {title}",
        f"Split: {evaluation.split or 'none'}. Measured: {measured}; without a measured MD: {unmeasured}.",
    ]
    if evaluation.n_eyes:
        parts += [metrics_markdown(evaluation).rstrip(), _reading(evaluation), *_shapley_lines(evaluation)]
        parts += _coverage_lines(evaluation)
    else:
        parts.append("No eye has a measured MD: there is nothing to compare the predictions with.")
    parts += [f"![{CAPTIONS[name]}]({path.name})\n\n*{CAPTIONS[name]}*" for name, path in pictures.items()]
    parts.append("For research. Not a medical device: not for decisions about a patient.")
    return "\n\n".join(parts) + "\n"


def _reading(evaluation: Evaluation) -> str:
    stages = ", ".join(f"{stage} {limits}" for stage, limits in STAGE_RANGES.items())
    bootstrap = f"{evaluation.n_resamples:,} resamples, seed {evaluation.seed}"
    return (
        f"Intervals: 95 %, percentile bootstrap of patients, {bootstrap}. Stages by measured MD: {stages}. "
        "Balanced: the mean of the stages' MSE. Bias: predicted − measured."
    )


def _shapley_lines(evaluation: Evaluation) -> list[str]:
    shares = evaluation.shapley
    if shares is None:
        return []
    oct_share, fundus_share, gain = (number(value) for value in (shares.phi_oct, shares.phi_fundus, shares.gain))
    imbalance = number(shares.imbalance, signed=True)
    return [
        f"Shapley shares of the explained variance: OCT {oct_share}, fundus {fundus_share}, together {gain}; "
        f"imbalance {imbalance} (+1: OCT alone, −1: fundus alone)."
    ]


def _coverage_lines(evaluation: Evaluation) -> list[str]:
    if evaluation.coverage is None:
        return []
    return [
        "## Prediction intervals",
        coverage_markdown(evaluation.coverage).rstrip(),
        f"They promise {percent(evaluation.coverage.level)} for eyes like the validation eyes, all together, not for "
        "each stage: an eye whose loss is underestimated lies outside more often (docs/method.md, 5).",
    ]
