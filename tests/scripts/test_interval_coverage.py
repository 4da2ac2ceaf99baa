"""Coverage of intervals over the trainings of a comparison."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bundle.errors import InputError
from bundle.metrics import STAGES, fit_prediction_interval
from bundle.reporting.predictions import Predictions
from scripts import interval_coverage


def training(seed: int, test: bool = True) -> Predictions:
    """40 validation eyes, 60 test eyes; the network reads OCT alone. The last test eye has no label."""
    rng = np.random.default_rng(seed)
    split = np.array(["validation"] * 40 + ["test"] * (60 if test else 0))
    pred = -15 * rng.random(split.size)
    label = pred + rng.normal(size=split.size) * (1 - pred / 5)
    if test:
        label[-1] = np.nan
    return Predictions(
        row=np.arange(2, split.size + 2), eye=np.full(split.size, "OD"), split=split,
        patient=np.arange(split.size) // 2, label_db=label.clip(-34, 4), pred_db={"oct": pred},
    )  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for name, one in (("a-seed0", training(0)), ("a-seed1", training(1)), ("a-trial1", training(2, test=False))):
        one.to_csv(tmp_path / "cells" / name / "predictions.csv")
    return tmp_path


def test_table_has_the_means_over_trainings_and_no_trial(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["interval_coverage", str(study)])
    interval_coverage.main()
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4  # header, rule, the one subset by measured and by predicted stage
    cells = [cell.strip() for cell in rows[2].strip("|").split("|")]
    inside, severe, predicted_severe = [], [], []
    for seed in (0, 1):
        one = Predictions.from_csv(study / "cells" / f"a-seed{seed}" / "predictions.csv")
        v = one.of_split("validation")
        interval = fit_prediction_interval(v.pred_db["oct"], v.label_db, v.patient, 0.9, (-35.0, 5.0))
        assert interval is not None
        t = one.of_split("test").select(np.arange(59))
        low, high = interval.limits_db(t.pred_db["oct"])
        here = (low <= t.label_db) & (t.label_db <= high)
        inside.append(100 * here.mean())
        severe.append(100 * here[t.label_db < -12].mean())
        predicted_severe.append(100 * here[t.pred_db["oct"] < -12].mean())
    assert cells[:4] == ["OCT", "2", f"{np.mean(inside):.1f}", f"{np.std(inside, ddof=1):.1f}"]
    assert float(cells[2]) + float(cells[4]) + float(cells[5]) == pytest.approx(100, abs=0.2)
    assert cells[7] == "measured"
    assert cells[7 + len(STAGES)] == f"{np.mean(severe):.1f}"
    of_predicted = [cell.strip() for cell in rows[3].strip("|").split("|")]
    assert of_predicted[7] == "predicted"
    assert of_predicted[7 + len(STAGES)] == f"{np.mean(predicted_severe):.1f}"


def test_a_folder_without_trainings_and_a_level_too_high_are_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished training"):
        list(interval_coverage.predictions_of(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match=r"no interval at a level of 0\.99"):
        interval_coverage.table([training(0)], 0.99)
