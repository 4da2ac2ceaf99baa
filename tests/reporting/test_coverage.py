"""Coverage of prediction intervals in a report."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bundle.metrics import bootstrap_ci
from bundle.reporting.coverage import coverage_of
from bundle.reporting.evaluation import evaluate
from bundle.reporting.predictions import Predictions
from bundle.reporting.report import write_report
from bundle.reporting.tables import coverage_markdown

LABEL = np.array([-1.0, -1.0, -4.0, -4.0, -8.0, -20.0, math.nan, -2.0])
LOW = np.array([-2.0, -0.5, -5.0, -4.0, -9.0, -18.0, -3.0, math.nan])
HIGH = np.array([0.0, 1.0, -3.0, 0.0, -7.0, -10.0, -1.0, math.nan])
INSIDE = np.array([1.0, 0, 1, 1, 1, 0])  # a limit itself is inside; the last two have no label, no interval


def predictions() -> Predictions:
    n = LABEL.size
    return Predictions(
        row=np.arange(2, n + 2), eye=np.array(["OD"] * n), split=np.array(["test"] * n), patient=np.arange(n) // 2,
        label_db=LABEL, pred_db={"oct": np.nan_to_num((LOW + HIGH) / 2)}, low_db=LOW, high_db=HIGH,
    )  # fmt: skip


def test_share_inside_and_width_of_all_and_of_each_stage() -> None:
    found = coverage_of(predictions(), 0.9, 500, 0)
    assert found is not None
    assert [(row.group, row.n_eyes) for row in found.rows] == [
        ("all", 6), ("near-normal", 2), ("early", 2), ("moderate", 1), ("severe", 1)
    ]  # fmt: skip
    assert [row.inside.value for row in found.rows] == pytest.approx([4 / 6, 0.5, 1, 1, 0])
    assert [row.width_db for row in found.rows] == pytest.approx([19.5 / 6, 1.75, 3, 2, 8])


def test_its_interval_is_the_bootstrap_of_the_mean_over_patients() -> None:
    found = coverage_of(predictions(), 0.9, 500, 3)
    assert found is not None
    expected = bootstrap_ci(
        lambda pred, label: float(pred.mean()), INSIDE, np.zeros(6), np.arange(6) // 2, n_resamples=500, seed=3
    )
    assert vars(found.rows[0].inside) == pytest.approx(vars(expected))


def test_no_interval_or_no_label_no_coverage() -> None:
    eyes = predictions()
    assert coverage_of(eyes.select(np.array([6, 7])), 0.9, 100, 0) is None
    assert evaluate(eyes, n_resamples=50).coverage is None
    assert evaluate(eyes.select(np.array([7])), interval_level=0.9, n_resamples=50).coverage is None


def test_report_shows_it(tmp_path: Path) -> None:
    evaluation = evaluate(predictions(), interval_level=0.9, n_resamples=50)
    paths = write_report(predictions(), tmp_path, evaluation=evaluation)
    page = paths["report"].read_text()
    assert evaluation.coverage is not None
    assert coverage_markdown(evaluation.coverage) in page
    assert "| all | 6 | 67 % [" in page
    assert "They promise 90 %" in page
    stored = json.loads(paths["metrics"].read_text())["prediction_interval"]
    assert stored["level"] == 0.9
    assert stored["groups"]["severe"]["inside"] == 0


def test_a_report_without_intervals_has_no_such_section(tmp_path: Path) -> None:
    paths = write_report(predictions(), tmp_path, n_resamples=50)
    assert "Prediction intervals" not in paths["report"].read_text()
    assert json.loads(paths["metrics"].read_text())["prediction_interval"] is None


def test_limits_survive_the_file_and_a_selection(tmp_path: Path) -> None:
    again = Predictions.from_csv(predictions().to_csv(tmp_path / "predictions.csv"))
    np.testing.assert_array_equal(again.low_db, LOW)
    np.testing.assert_array_equal(again.select(LABEL < -3).high_db, HIGH[LABEL < -3])


def test_an_older_file_without_them_is_read(tmp_path: Path) -> None:
    path = predictions().to_csv(tmp_path / "predictions.csv")
    path.write_text("\n".join(line.rsplit(",", 2)[0] for line in path.read_text().splitlines()) + "\n")
    assert np.isnan(Predictions.from_csv(path).low_db).all()
