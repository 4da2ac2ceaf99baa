"""predictions.csv: every eye that an evaluator saw, in its split."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ignite.engine import Engine

from bundle.data import Cohort
from bundle.handlers import PredictionsHandler
from bundle.reporting import Predictions


@pytest.fixture
def cohort(tmp_path):
    """Rows 2 to 7, two eyes a patient: train, validation, test."""
    lines = ["patient_id,eye,oct,fundus,md_db,split"]
    for i in range(6):
        (tmp_path / f"{i}.npz").write_bytes(b"x")
        (tmp_path / f"{i}.png").write_bytes(b"x")
        split = ("train", "validation", "test")[i // 2]
        lines.append(f"P{i // 2},{('OD', 'OS')[i % 2]},{i}.npz,{i}.png,{-i},{split}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return Cohort(tmp_path / "manifest.csv")


def answered(cohort, items, folder, split):
    """What the handler writes when the answer to each eye is its label plus 1, 2 and 3 dB."""

    def answer(engine, batch):
        return [{"label": torch.tensor([item["label"]]), "pred": torch.tensor([item["label"] + 1]),
                 "pred_oct": torch.tensor([item["label"] + 2]), "pred_fundus": torch.tensor([item["label"] + 3])}
                for item in batch]  # fmt: skip

    engine = Engine(answer)
    handler = PredictionsHandler(cohort, str(folder), split)
    handler.attach(engine)
    engine.run([items[:3], items[3:]])
    assert handler.summary() == {}
    return Predictions.from_csv(folder / "predictions.csv")


def test_without_a_name_each_eye_keeps_its_own_split(cohort, tmp_path):
    items = cohort.items("validation") + cohort.items("test")
    found = answered(cohort, items, tmp_path, None)
    assert list(found.row) == [4, 5, 6, 7]
    assert list(found.split) == ["validation", "validation", "test", "test"]
    np.testing.assert_allclose(found.pred_db["oct"], found.label_db + 2)
    assert cohort.splits == {2: "train", 3: "train", 4: "validation", 5: "validation", 6: "test", 7: "test"}


def test_given_name_is_that_of_all_eyes(cohort, tmp_path):
    assert set(answered(cohort, cohort.items("test") * 2, tmp_path, "hidden").split) == {"hidden"}
