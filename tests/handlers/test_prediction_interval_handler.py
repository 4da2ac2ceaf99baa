"""The intervals of a chosen model: fitted on validation eyes, for each subset of modalities, kept in model.json."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bundle.data import Cohort
from bundle.deploy.intervals import NUMBERS, intervals_of
from bundle.deploy.model_folder import load_model, save_model
from bundle.errors import InputError
from bundle.handlers import PredictionIntervalHandler, RecalibrationHandler
from bundle.metrics import PredictionInterval, fit_prediction_interval
from tests.handlers.validated import (
    EXTRA,
    N_VALIDATION,
    SUBSETS,
    VALIDATION,
    answers,
    cohort_of,
    contents,
    end_with,
    eyes,
    folder,
)
from tests.toy import toy_batches, toy_regressor

__all__ = ["folder"]

LEVEL = 0.8


def fit_intervals(folder: Path, batch: dict[str, Any], level: float = LEVEL, cohort: Cohort | None = None) -> dict:
    """Returns model.json."""
    end_with(PredictionIntervalHandler, folder, batch, cohort, level=level)
    description: dict = json.loads((folder / "model.json").read_text())
    return description


def numbers(interval: PredictionInterval) -> list[float]:
    return [getattr(interval, name) for name in ("level", *NUMBERS)]


def test_each_subset_has_the_interval_of_the_chosen_models_answers(folder: Path) -> None:
    batch = eyes()
    label = batch["label"].double().numpy().ravel()[VALIDATION]
    found = intervals_of(fit_intervals(folder, batch))
    assert tuple(found) == SUBSETS
    for name, pred in answers(load_model(folder)[0], batch, VALIDATION).items():
        here = np.isfinite(pred)
        expected = fit_prediction_interval(pred[here], label[here], np.flatnonzero(here), LEVEL, (-35.0, 5.0))
        assert expected is not None
        assert numbers(found[name]) == pytest.approx(numbers(expected), rel=1e-5)


def test_weights_and_entries_stay(folder: Path) -> None:
    before = load_model(folder)[0]
    description = fit_intervals(folder, eyes())
    assert description.items() >= EXTRA.items()
    after = load_model(folder)[0].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.state_dict().items())


def test_after_a_recalibration_it_is_that_of_the_recalibrated_answers(folder: Path) -> None:
    batch = eyes()
    label = batch["label"].double().numpy().ravel()[VALIDATION]
    plain = intervals_of(fit_intervals(folder, batch))["oct"]
    end_with(RecalibrationHandler, folder, batch, None, penalty=2.0, min_eyes=20)
    found = intervals_of(fit_intervals(folder, batch))["oct"]
    pred = answers(load_model(folder)[0], batch, VALIDATION)["oct"]
    here = np.isfinite(pred)
    expected = fit_prediction_interval(pred[here], label[here], np.flatnonzero(here), LEVEL, (-35.0, 5.0))
    assert expected is not None
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-5)
    assert numbers(found) != pytest.approx(numbers(plain), rel=1e-3)


def test_the_test_split_is_never_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("items", "md_db"):
        monkeypatch.setattr(Cohort, method, lambda *_: pytest.fail("a split was read"))
    batch = eyes()
    before = fit_intervals(folder, batch)
    for key in ("image", "fundus", "label"):
        batch[key][N_VALIDATION:] += 3.0
    assert fit_intervals(folder, batch, cohort=cohort_of(batch, test_shift_db=-1.0)) == before


def test_level_0_leaves_the_model_alone(folder: Path) -> None:
    before = contents(folder)
    fit_intervals(folder, eyes(), level=0)
    assert contents(folder) == before


def test_too_few_patients_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """29 patients have the OCT, 28 both: enough for a level of 27 / 29 = 0.931, not for more."""
    with caplog.at_level(logging.WARNING, logger="bundle.deploy.intervals"):
        description = fit_intervals(folder, eyes(), level=0.933)
    assert tuple(intervals_of(description)) == ("oct", "fundus")
    assert [record.getMessage() for record in caplog.records] == [
        "no interval for the answer from oct+fundus: found 28 patients with it, a level of 0.933 needs 29; "
        "more patients, or a lower level"
    ]


@pytest.mark.parametrize("modality", ["oct", "fundus"])
def test_a_network_of_one_modality_has_one_interval(tmp_path: Path, modality: str) -> None:
    save_model(tmp_path, toy_regressor([modality]).eval(), EXTRA)
    assert tuple(intervals_of(fit_intervals(tmp_path, toy_batches(1, 40)[0]))) == (modality,)


@pytest.mark.parametrize("level", [1, 1.2, -0.1, "0.9", True, None])
def test_a_level_that_is_no_share_is_refused_at_the_start(level: Any) -> None:
    with pytest.raises(InputError, match="interval_level"):
        PredictionIntervalHandler(None, None, ".", level)  # type: ignore[arg-type]
