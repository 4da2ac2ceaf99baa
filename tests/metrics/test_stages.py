import math

import numpy as np
import pytest

from bundle.metrics import STAGE_RANGES, STAGES, balanced_mse, per_stage_metrics, stage_index, stage_of


@pytest.mark.parametrize(
    ("md_db", "stage"),
    [
        (4.0, "near-normal"), (-2.999, "near-normal"),
        (-3.0, "early"), (-5.999, "early"),
        (-6.0, "moderate"), (-12.0, "moderate"),
        (-12.001, "severe"), (-33.0, "severe"),
    ],
)  # fmt: skip
def test_edges(md_db, stage) -> None:
    assert stage_of(md_db) == stage


def test_index_agrees_with_a_plain_reading_of_the_table() -> None:
    md = np.concatenate([np.arange(-33, 5, 0.25), [-3, -6, -12]])
    plain = [0 if x > -3 else 1 if x > -6 else 2 if x >= -12 else 3 for x in md]
    assert stage_index(md).tolist() == plain


def test_every_stage_has_a_range() -> None:
    assert tuple(STAGE_RANGES) == STAGES


def test_an_unknown_md_has_no_stage() -> None:
    with pytest.raises(ValueError, match="NaN"):
        stage_of(math.nan)


def test_per_stage_metrics_go_by_the_measured_stage() -> None:
    found = per_stage_metrics([-20.0, -1.0, -2.0], [-1.0, -20.0, -2.0])
    assert [found[stage]["n"] for stage in STAGES] == [2, 0, 0, 1]
    assert found["near-normal"]["mse"] == 361 / 2
    assert found["severe"]["bias"] == 19
    assert math.isnan(found["early"]["mse"])


def test_stage_errors_weighted_by_eyes_add_up_to_the_overall_mse() -> None:
    generator = np.random.default_rng(0)
    label = -generator.gamma(1.0, 6.0, 300)
    pred = label + generator.normal(0, 2, 300)
    found = per_stage_metrics(pred, label)
    assert sum(found[s]["n"] * found[s]["mse"] for s in STAGES) / 300 == pytest.approx(np.mean((pred - label) ** 2))


def test_balanced_mse_counts_a_lone_severe_eye_as_much_as_many_normal_ones() -> None:
    label = np.array([-1.0] * 99 + [-20.0])
    pred = label + np.array([1.0] * 99 + [3.0])
    assert balanced_mse(pred, label) == pytest.approx((1 + 9) / 2)


def test_balanced_mse_equals_mse_when_stages_are_equally_many() -> None:
    label = np.array([-1.0, -4.0, -8.0, -15.0] * 5)
    pred = label + np.random.default_rng(0).normal(size=20)
    assert balanced_mse(pred, label) == pytest.approx(np.mean((pred - label) ** 2))


def test_balanced_mse_of_no_eyes_is_nan() -> None:
    assert math.isnan(balanced_mse([], []))
