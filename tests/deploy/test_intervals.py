"""Prediction intervals in model.json and in the answers."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.deploy.answer import answer
from bundle.deploy.intervals import INTERVALS, described, interval_answer, intervals_beside, intervals_of, limits_db
from bundle.deploy.model_folder import save_model
from bundle.errors import InputError
from bundle.metrics import PredictionInterval
from tests.toy import toy_regressor

RANGE_DB = (-35.0, 5.0)
BOTH = PredictionInterval(0.9, lower_db=2.0, upper_db=1.0, slope=0.125, range_db=RANGE_DB)
OCT = PredictionInterval(0.9, lower_db=3.0, upper_db=1.5, slope=0.5, range_db=RANGE_DB)
INTERVALS_OF_A_MODEL = {"oct+fundus": BOTH, "oct": OCT}


def test_what_is_written_is_read() -> None:
    written = json.loads(json.dumps({INTERVALS: described(INTERVALS_OF_A_MODEL)}))
    assert intervals_of(written) == INTERVALS_OF_A_MODEL


def test_a_model_without_intervals_has_none() -> None:
    assert intervals_of({}) == intervals_of({INTERVALS: None}) == {}


GOOD = described(INTERVALS_OF_A_MODEL)


@pytest.mark.parametrize("content", [
    {}, [], "0.9", {**GOOD, "level": "__import__('os')"}, {**GOOD, "level": math.nan}, {**GOOD, "range_db": [1]},
    {**GOOD, "answers": []}, {**GOOD, "answers": {"oct": {"slope": 1.0}}},
    *({**GOOD, "answers": {"oct": GOOD["answers"]["oct"] | {"slope": bad}}} for bad in ("1", True, math.inf, None)),
])  # fmt: skip
def test_anything_else_is_refused(content: Any) -> None:
    with pytest.raises(InputError, match="prediction_interval is not what training writes"):
        intervals_of({INTERVALS: content})


def test_beside_the_weights(tmp_path: Path) -> None:
    assert intervals_beside(tmp_path / "model.pt") == {}
    save_model(tmp_path, toy_regressor(), {INTERVALS: described(INTERVALS_OF_A_MODEL)})
    assert intervals_beside(tmp_path / "model.pt") == INTERVALS_OF_A_MODEL


def test_not_those_of_other_weights(tmp_path: Path) -> None:
    save_model(tmp_path, toy_regressor(), {INTERVALS: described(INTERVALS_OF_A_MODEL)})
    save_model(tmp_path / "other", toy_regressor(seed=1), {})
    (tmp_path / "model.pt").write_bytes((tmp_path / "other" / "model.pt").read_bytes())
    (tmp_path / "epoch3.pt").write_bytes(b"")
    assert intervals_beside(tmp_path / "epoch3.pt") == {}
    with pytest.raises(InputError, match="checksum"):
        intervals_beside(tmp_path / "model.pt")


def test_each_eye_gets_the_limits_of_its_modalities() -> None:
    low, high = limits_db(np.array([-8.0, -8.0, -8.0]), np.array(["oct+fundus", "oct", "fundus"]), INTERVALS_OF_A_MODEL)
    np.testing.assert_array_equal(low, [-12.0, -23.0, math.nan])
    np.testing.assert_array_equal(high, [-6.0, -0.5, math.nan])


@pytest.mark.parametrize(("subsets_db", "expected"), [
    ([-8.0, -7.0, -9.0], [-12.0, -6.0]),
    ([-8.0, -8.0, math.nan], [-23.0, -0.5]),
    ([-8.0, math.nan, -8.0], None),
    ([4.0, 4.0, math.nan], [1.0, 5.0]),
])  # fmt: skip
def test_the_answer_of_an_eye_has_them(subsets_db: list[float], expected: list[float] | None) -> None:
    found = answer(subsets_db, "OD", "1", INTERVALS_OF_A_MODEL)
    assert (found["interval_db"], found["interval_level"]) == (expected, None if expected is None else 0.9)
    assert answer(subsets_db, "OD", "1", {})["interval_db"] is None


def test_limits_are_rounded_as_md_is() -> None:
    odd = {"oct": PredictionInterval(0.9, 1 / 3, 1 / 3, 0.0, RANGE_DB)}
    assert interval_answer(-1.0, ["oct"], odd) == {"interval_db": [-1.333, -0.667], "interval_level": 0.9}
