"""Fields: damage arrives where it should, noise is that of real retests, MD comes from the measured field."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bundle.data.perimetry import BLIND_SPOT, MD_WEIGHTS, POINT_SECTORS, POINTS_DEG, mean_deviation_24_2
from bundle.data.phantom.angles import SECTORS
from bundle.data.phantom.field import examine, measure, point_damage_db, point_weights
from tests.realdata import realdata

# Pointwise retest SD by mean threshold in vfpwgRetest24d2: 30 glaucoma eyes, 12 visits.
REAL_RETEST = {(31, 36): 1.2, (28, 31): 1.3, (25, 28): 1.7, (20, 25): 2.8, (15, 20): 4.8, (10, 15): 6.1, (5, 10): 6.9}


def _retests(n_eyes: int = 60, n_visits: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    fields, ages = [], []
    for _ in range(n_eyes):
        true = examine(rng.gamma(1.2, 7.0, 6), 65.0, 0.0, rng).true_db
        fields.append([measure(true, rng) for _ in range(n_visits)])
        ages.append(65.0)
    return np.array(fields), np.array(ages)


def _sd_by_threshold(fields: np.ndarray) -> dict[tuple[int, int], float]:
    """Root mean within-eye variance of the points whose mean threshold lies in each range."""
    mean, variance = fields[..., ~BLIND_SPOT].mean(axis=1), fields[..., ~BLIND_SPOT].var(axis=1, ddof=1)
    chosen = {limits: variance[(mean >= limits[0]) & (mean < limits[1])] for limits in REAL_RETEST}
    return {limits: float(np.sqrt(values.mean())) for limits, values in chosen.items()}


def test_pointwise_noise_is_that_of_real_retests():
    found = _sd_by_threshold(_retests()[0])
    for limits, expected in REAL_RETEST.items():
        assert found[limits] == pytest.approx(expected, rel=0.35), limits


def test_the_numbers_above_are_those_of_the_real_file():
    rdata = pytest.importorskip("rdata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = rdata.read_rda(realdata("visualfields", "vfpwgRetest24d2.rda"))["vfpwgRetest24d2"]
    people = np.asarray(table["id"].to_list())
    values = table[[f"l{i}" for i in range(1, 55)]].to_numpy(dtype=float)
    fields = np.stack([values[people == person] for person in np.unique(people)])
    for limits, found in _sd_by_threshold(fields).items():
        assert found == pytest.approx(REAL_RETEST[limits], abs=0.1)


def test_md_varies_between_visits_as_in_routine_clinics():
    fields, ages = _retests()
    md = mean_deviation_24_2(fields, ages[:, None])
    assert 0.53 < np.sqrt(md.var(axis=1, ddof=1).mean()) < 1.05  # research .53, long-term 1.05 dB


def test_damage_of_a_sector_falls_on_its_points_and_keeps_its_mean():
    rng = np.random.default_rng(0)
    damage = np.zeros(6)
    damage[SECTORS.index("TI")] = 12.0
    points = point_damage_db(damage, rng)
    assert np.all(points[POINT_SECTORS != "TI"] == 0)
    assert np.all(points[POINT_SECTORS == "TI"] > 0)
    assert np.all(POINTS_DEG[points > 0, 1] > 0)  # inferior disc, superior field
    assert points @ MD_WEIGHTS == pytest.approx(damage @ point_weights())


def test_fields_are_whole_decibels_from_zero_and_md_is_theirs():
    rng = np.random.default_rng(1)
    for damage in (0.0, 8.0, 30.0):
        field = examine(np.full(6, damage), 70.0, 0.0, rng)
        np.testing.assert_array_equal(field.measured_db, np.rint(field.measured_db))
        assert field.measured_db.min() >= 0
        assert field.md_db == pytest.approx(float(mean_deviation_24_2(field.measured_db, 70.0)))


def test_a_healthy_field_has_md_about_zero_and_a_blind_one_about_minus_thirty():
    rng = np.random.default_rng(2)
    healthy = [examine(np.zeros(6), 60.0, 0.0, rng).md_db for _ in range(300)]
    blind = [examine(np.full(6, 45.0), 60.0, 0.0, rng).md_db for _ in range(50)]
    assert np.mean(healthy) == pytest.approx(0.0, abs=0.15)
    assert -32.0 < np.mean(blind) < -29.0
