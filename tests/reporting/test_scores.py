import math
import statistics

import pytest

from bundle.errors import InputError
from bundle.reporting import Run, Score, Summary, scores_from_csv, scores_of, scores_to_csv

SCORES = [Score("OCT only", "phantom", 0, "mse", 12.5), Score("Re-M3Dr, ours", "phantom", 1, "r2", 0.61)]


def test_csv_round_trip(tmp_path) -> None:
    assert scores_from_csv(scores_to_csv(SCORES, tmp_path / "s.csv")) == SCORES


def test_a_figure_given_twice_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="row 3: OCT only, phantom, 0, mse is there twice"):
        scores_from_csv(scores_to_csv([SCORES[0], SCORES[0]], tmp_path / "s.csv"))


def test_an_unknown_metric_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="did you mean 'mse'"):
        scores_from_csv(scores_to_csv([SCORES[0]._replace(metric="msee")], tmp_path / "s.csv"))


def test_scores_of_predictions_are_of_the_labelled_eyes(predictions) -> None:
    (score,) = scores_of({Run("ours", "phantom", 3): predictions}, ["bias"])
    error = (predictions.answer_db - predictions.label_db)[:-1]
    assert score[:4] == ("ours", "phantom", 3, "bias")
    assert score.value == pytest.approx(error.mean())


def test_standard_error_over_seeds() -> None:
    values = [10.0, 12.0, 17.0]
    found = Summary.of(values)
    assert found.mean == statistics.mean(values)
    assert found.standard_error == pytest.approx(statistics.stdev(values) / math.sqrt(3))
    assert found.format() == "13.00 ± 2.08"


def test_one_seed_has_no_standard_error() -> None:
    assert Summary.of([3.0]).format() == "3.00"
    assert Summary.of([-1e-9]).format() == "0.00"
    assert math.isnan(Summary.of([]).mean)
