"""MD from thresholds: the same number as the table of fields gives, for either eye, any order and a 30-2 field."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bundle.data.perimetry import BLIND_SPOT, POINTS_DEG, mean_deviation_24_2, normal_sensitivity_24_2
from bundle.data.visual_field import VisualField
from bundle.data.visual_field_md import md_from_thresholds
from bundle.errors import InputError
from tests.realdata import realdata

AGE = 64.0
THRESHOLD_DB = np.where(BLIND_SPOT, 0.0, normal_sensitivity_24_2(AGE) - np.linspace(0, 20, 54))


def field_of(threshold_db: np.ndarray, laterality: str = "OD", coordinates_deg: np.ndarray = POINTS_DEG) -> VisualField:
    """A field as a perimeter stores it, from thresholds in right-eye order."""
    x = coordinates_deg[:, 0] * (1 if laterality == "OD" else -1)
    points = np.stack([x, coordinates_deg[:, 1], threshold_db, np.full(len(x), np.nan)], axis=1)
    return VisualField(md_db=np.nan, laterality=laterality, points=points)


@pytest.mark.parametrize("laterality", ["OD", "OS"])
def test_either_eye_and_any_order_give_the_weighted_mean(laterality: str) -> None:
    field = field_of(THRESHOLD_DB, laterality)
    shuffled = VisualField(
        md_db=np.nan, laterality=laterality, points=np.random.default_rng(0).permutation(field.points)
    )
    expected = float(mean_deviation_24_2(THRESHOLD_DB, AGE))
    assert md_from_thresholds(field, AGE) == pytest.approx(expected, abs=1e-12)
    assert md_from_thresholds(shuffled, AGE) == pytest.approx(expected, abs=1e-12)


def test_a_uniform_loss_is_the_md() -> None:
    normal = np.where(BLIND_SPOT, np.nan, normal_sensitivity_24_2(AGE))
    assert md_from_thresholds(field_of(normal - 5.0), AGE) == pytest.approx(-5.0, abs=1e-12)


def test_unseen_counts_as_zero() -> None:
    below, zero = THRESHOLD_DB.copy(), THRESHOLD_DB.copy()
    below[:4], zero[:4] = -2.0, 0.0
    assert md_from_thresholds(field_of(below), AGE) == md_from_thresholds(field_of(zero), AGE)


def test_30_2_uses_its_24_2_points_only() -> None:
    outer = np.array([(x, y) for y in (-27, 27) for x in (-9, -3, 3, 9)], dtype=float)
    coordinates = np.vstack([POINTS_DEG, outer])
    field = field_of(np.append(THRESHOLD_DB, np.zeros(len(outer))), coordinates_deg=coordinates)
    assert md_from_thresholds(field, AGE) == pytest.approx(float(mean_deviation_24_2(THRESHOLD_DB, AGE)))


def test_other_patterns_and_missing_thresholds_are_refused() -> None:
    ten = np.array([(x, y) for x in (-3.0, -1.0, 1.0, 3.0) for y in (-1.0, 1.0)])
    with pytest.raises(InputError, match="pattern other in which 52 of the 52 thresholds of pattern 24-2 are missing"):
        md_from_thresholds(field_of(np.full(8, 30.0), coordinates_deg=ten), AGE)
    hole = THRESHOLD_DB.copy()
    hole[3] = np.nan
    with pytest.raises(InputError, match="pattern 24-2 in which 1 of the 52 thresholds"):
        md_from_thresholds(field_of(hole), AGE)


def test_impossible_age_is_refused() -> None:
    with pytest.raises(InputError, match="age"):
        md_from_thresholds(field_of(THRESHOLD_DB), 140.0)


def _real(name: str) -> list[tuple[VisualField, float]]:
    """Real fields, which the package stores as right eyes, as the perimeter would give them."""
    rdata = pytest.importorskip("rdata")
    path = realdata("visualfields", f"{name}.rda")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = rdata.read_rda(path)[name]
    thresholds = table[[f"l{i}" for i in range(1, 55)]].to_numpy(dtype=float)
    eyes, ages = table["eye"].to_list(), table["age"].to_numpy(dtype=float)
    return [(field_of(t, str(eye)), age) for t, eye, age in zip(thresholds, eyes, ages, strict=True)]


def test_real_healthy_eyes_have_md_about_zero_and_left_ones_too() -> None:
    fields = _real("vfctrSunyiu24d2")
    md_db = np.array([md_from_thresholds(field, age) for field, age in fields])
    left = np.array([field.laterality == "OS" for field, _ in fields])
    assert abs(md_db.mean()) < 0.1
    assert abs(md_db[left].mean()) < 0.3
    assert left.sum() > 50


def test_real_glaucoma_is_below_every_norm() -> None:
    md_db = np.array([md_from_thresholds(field, age) for field, age in _real("vfpwgSunyiu24d2")])
    assert md_db.mean() < -2.0
    assert md_db.min() > -35.0
