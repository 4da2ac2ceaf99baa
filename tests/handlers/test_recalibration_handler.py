"""The recalibration of a chosen model: what it changes, on which eyes, and what it leaves alone."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bundle.data import Cohort
from bundle.deploy.model_folder import load_model, save_model
from bundle.handlers import RecalibrationHandler
from bundle.metrics import fit_recalibration
from bundle.networks import MDRegressor
from tests.handlers.validated import (
    EXTRA,
    N_TEST,
    N_VALIDATION,
    SUBSETS,
    TEST,
    VALIDATION,
    answers,
    cohort_of,
    contents,
    end_of_training,
    end_with,
    evaluator,
    eyes,
    folder,
)
from tests.toy import MEAN_DB, SD_DB, toy_batches, toy_regressor

__all__ = ["folder"]

OPTIONS: dict[str, Any] = {"penalty": 2.0, "min_eyes": 20}


def recalibrate(folder: Path, batch: dict[str, Any], cohort: Cohort | None = None, **options: Any) -> MDRegressor:
    return end_with(RecalibrationHandler, folder, batch, cohort, **{**OPTIONS, **options})


@pytest.mark.parametrize("options", [{}, {"product": False, "lines": False, "penalty": 0.0}], ids=["ridge", "stack"])
def test_saved_model_answers_as_the_fit_on_validation_says(folder: Path, options: dict[str, Any]) -> None:
    batch, before = eyes(), load_model(folder)[0]
    label = batch["label"].double().numpy().ravel()[VALIDATION]
    fitted = fit_recalibration(answers(before, batch, VALIDATION), label, MEAN_DB, SD_DB, **{**OPTIONS, **options})
    after = recalibrate(folder, batch, **options)
    expected = fitted.apply(answers(before, batch, TEST))
    for net in (after, torch.jit.script(after)):
        found = answers(net, batch, TEST)
        for name in SUBSETS:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-4)
    old = answers(before, batch, TEST)
    assert np.nanmax(np.abs(old["oct+fundus"] - expected["oct+fundus"])) > 0.1
    assert np.allclose(old["oct"], expected["oct"], equal_nan=True) == ("lines" in options)


def test_an_eye_with_one_modality_gets_that_modalitys_line(folder: Path) -> None:
    batch = eyes()
    after = recalibrate(folder, batch)
    with torch.no_grad():
        found = after.predict_subsets(batch["image"], batch["fundus"])
    torch.testing.assert_close(found[[35, 36], 0], torch.stack([found[35, 2], found[36, 1]]))


def test_weights_stay_bit_for_bit(folder: Path) -> None:
    before, after = load_model(folder)[0], recalibrate(folder, eyes())
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    assert float(after.recalibration_fused.abs().max()) > 0


def test_description_keeps_its_entries_and_gets_the_coefficients(folder: Path) -> None:
    after = recalibrate(folder, eyes())
    description = json.loads((folder / "model.json").read_text())
    assert description.items() >= EXTRA.items()
    written = description["recalibration"]
    assert written["eyes"] == N_VALIDATION
    for name in ("fused", "oct", "fundus"):
        np.testing.assert_allclose(written[name], getattr(after, f"recalibration_{name}").numpy(), rtol=1e-6)


def test_the_test_split_is_never_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other test labels give the same file, and no split is asked for."""
    for method in ("items", "md_db"):
        monkeypatch.setattr(Cohort, method, lambda *_: pytest.fail("a split was read"))
    save_model(tmp_path / "other", toy_regressor().eval(), EXTRA)
    batch = eyes()
    recalibrate(folder, batch)
    changed = eyes()
    for key in ("image", "fundus", "label"):
        changed[key][N_VALIDATION:] += 3.0
    recalibrate(tmp_path / "other", changed, cohort_of(changed, test_shift_db=-1.0))
    assert (folder / "model.pt").read_bytes() == (tmp_path / "other" / "model.pt").read_bytes()


def test_a_second_run_changes_nothing_more(folder: Path) -> None:
    """A finished training that is resumed ends once more."""
    recalibrate(folder, eyes())
    once = contents(folder)
    recalibrate(folder, eyes())
    assert contents(folder) == once


def test_disabled_it_changes_nothing(folder: Path) -> None:
    before = contents(folder)
    recalibrate(folder, eyes(), enabled=False)
    assert contents(folder) == before


def test_too_few_eyes_change_nothing_and_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of 30 validation eyes one lacks its OCT and another its photograph."""
    before = contents(folder)
    with caplog.at_level(logging.WARNING, logger="bundle.handlers.recalibration"):
        recalibrate(folder, eyes(), min_eyes=30)
    assert contents(folder) == before
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"no recalibration of the answer from {name}: {n} validation eyes, needs 30"
        for name, n in (("oct+fundus", 28), ("oct", 29), ("fundus", 29))
    ]


def test_each_answer_has_eyes_enough_or_not(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="bundle.handlers.recalibration"):
        after = recalibrate(folder, eyes(), min_eyes=29)
    assert ["oct+fundus" in record.getMessage() for record in caplog.records] == [True]
    assert float(after.recalibration_fused.abs().max()) == 0
    assert float(after.recalibration_oct.abs().min()) > 0


def test_unlabelled_eyes_are_left_out(folder: Path) -> None:
    batch = eyes()
    batch["label"][:5] = float("nan")
    recalibrate(folder, batch)
    assert json.loads((folder / "model.json").read_text())["recalibration"]["eyes"] == N_VALIDATION - 5


@pytest.mark.parametrize("modality", ["oct", "fundus"])
def test_a_network_of_one_modality_gets_an_affine_line(tmp_path: Path, modality: str) -> None:
    batch = toy_batches(1, N_VALIDATION + N_TEST)[0]
    save_model(tmp_path, toy_regressor([modality]).eval(), EXTRA)
    before = load_model(tmp_path)[0]
    old, old_test = (answers(before, batch, rows)[modality] for rows in (VALIDATION, TEST))
    label = batch["label"].double().numpy().ravel()[VALIDATION]
    after = recalibrate(tmp_path, batch, penalty=0.0)
    slope, intercept = np.polyfit(old, label, 1)
    with torch.no_grad():
        found = after(batch["image"], batch["fundus"]).numpy().ravel()[TEST]
    np.testing.assert_allclose(found, intercept + slope * old_test, atol=1e-3)
    assert float(after.recalibration_fused.abs().max()) == 0


def test_without_a_model_it_leaves_the_message_to_the_test(tmp_path: Path) -> None:
    batch = eyes()
    end_of_training(RecalibrationHandler(evaluator(toy_regressor(), batch), cohort_of(batch), str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
