import json

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error

from bundle.metrics import STAGES, shapley_shares
from bundle.reporting import Predictions, evaluate


def figures(evaluation, answer: str, group: str = "all"):
    return next(row for row in evaluation.figures if (row.answer, row.group) == (answer, group))


def test_each_subset_is_measured_on_the_eyes_that_have_it(predictions) -> None:
    found = evaluate(predictions, n_resamples=100)
    assert [figures(found, name).n_eyes for name in ("as available", "oct+fundus", "oct", "fundus")] == [59, 54, 59, 54]
    here = slice(5, 59)
    row = figures(found, "oct+fundus")
    expected = mean_squared_error(predictions.label_db[here], predictions.pred_db["oct+fundus"][here])
    assert row.metrics["mse"] == row.intervals["mse"].value == pytest.approx(expected)
    assert row.intervals["mse"].low < expected < row.intervals["mse"].high


def test_stages_partition_the_eyes(predictions) -> None:
    found = evaluate(predictions, n_resamples=50)
    counts = [figures(found, "oct", stage).n_eyes for stage in STAGES]
    assert counts == [int((predictions.stage == stage).sum()) for stage in STAGES]
    assert sum(counts) == 59


def test_eyes_and_patients_are_counted_apart(predictions) -> None:
    found = evaluate(predictions, n_resamples=50)
    assert (found.n_eyes, found.n_patients) == (59, 30)


def test_the_reference_predicts_the_train_mean_for_every_eye(predictions) -> None:
    row = figures(evaluate(predictions, train_mean_db=-5.0, n_resamples=50), "train mean")
    label = predictions.label_db[:-1]
    assert row.metrics["mae"] == pytest.approx(mean_absolute_error(label, np.full(59, -5.0)))
    assert not any(f.answer == "train mean" for f in evaluate(predictions, n_resamples=50).figures)


def test_shapley_shares_are_of_the_complete_eyes(predictions) -> None:
    here = slice(5, 59)
    arrays = [predictions.pred_db[name][here] for name in ("oct+fundus", "oct", "fundus")]
    assert evaluate(predictions, train_mean_db=-5.0, n_resamples=50).shapley == shapley_shares(
        *arrays, predictions.label_db[here], -5.0
    )


def test_one_kind_of_eye_needs_no_as_available_answer(predictions) -> None:
    complete = predictions.select(predictions.modalities == "oct+fundus")
    assert {row.answer for row in evaluate(complete, n_resamples=50).figures} == {"oct+fundus", "oct", "fundus"}


def test_splits_are_never_mixed(predictions) -> None:
    mixed = Predictions(**(vars(predictions) | {"split": np.array(["train"] + ["test"] * 59)}))
    with pytest.raises(ValueError, match="splits test, train: evaluate one at a time"):
        evaluate(mixed)


def test_without_labels_there_are_no_figures(predictions) -> None:
    found = evaluate(predictions.select(~predictions.labelled), train_mean_db=-5.0)
    assert (found.figures, found.n_eyes, found.shapley) == ([], 0, None)


def test_the_dictionary_is_plain_json(predictions) -> None:
    content = evaluate(predictions, n_resamples=50).to_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["answers"]["oct"]["severe"]["n_eyes"] == int((predictions.stage == "severe").sum())
    assert set(content["answers"]["oct"]["all"]["ci95"]) == {"mse", "mae", "balanced_mse"}
