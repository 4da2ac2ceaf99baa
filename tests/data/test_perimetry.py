"""24-2 perimetry: closed forms, and real fields of the visualFields package."""

from __future__ import annotations

import collections
import doctest
import warnings

import numpy as np
import pytest

from bundle.data import perimetry
from bundle.data.perimetry import (
    BLIND_SPOT,
    MD_WEIGHTS,
    POINT_SECTORS,
    POINTS_DEG,
    TD_SD_DB,
    mean_deviation_24_2,
    normal_sensitivity_24_2,
    total_deviation_24_2,
)
from bundle.errors import InputError
from tests.realdata import realdata

COLUMNS = [f"l{i}" for i in range(1, 55)]


def _rda(name: str):
    rdata = pytest.importorskip("rdata")
    path = realdata("visualfields", f"{name}.rda")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rdata.read_rda(path)[name]


def _fields(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = _rda(name)
    return (table[COLUMNS].to_numpy(dtype=float), table["age"].to_numpy(dtype=float), np.asarray(table["id"].to_list()))


def test_a_field_equal_to_the_norm_has_md_zero_at_every_age():
    ages = np.array([20.0, 45.5, 60.0, 90.0])
    np.testing.assert_allclose(mean_deviation_24_2(normal_sensitivity_24_2(ages), ages), 0.0, atol=1e-12)


def test_a_uniform_loss_is_the_md():
    assert mean_deviation_24_2(normal_sensitivity_24_2(70.0) - 5.0, 70.0) == pytest.approx(-5.0, abs=1e-12)


def test_the_blind_spot_does_not_count():
    field = normal_sensitivity_24_2(50.0)
    field[[25, 34]] = 0.0
    assert mean_deviation_24_2(field, 50.0) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_array_equal(np.flatnonzero(BLIND_SPOT), [25, 34])
    np.testing.assert_array_equal(POINTS_DEG[BLIND_SPOT], [[15.0, 3.0], [15.0, -3.0]])


def test_one_lost_point_counts_by_the_inverse_of_its_sd():
    field = np.tile(normal_sensitivity_24_2(50.0), (2, 1))
    field[0, 0] -= 10.0  # upper left edge, healthy eyes vary most
    field[1, 22] -= 10.0  # beside fixation, healthy eyes vary least
    edge, centre = mean_deviation_24_2(field, 50.0)
    assert edge / centre == pytest.approx(TD_SD_DB[22] / TD_SD_DB[0])
    assert centre == pytest.approx(-10.0 / TD_SD_DB[22] / np.nansum(1.0 / TD_SD_DB))


def test_vectorised_over_any_leading_axes():
    rng = np.random.default_rng(0)
    fields, ages = rng.uniform(0, 35, (3, 4, 54)), rng.uniform(20, 90, (3, 4))
    md = mean_deviation_24_2(fields, ages)
    assert md.shape == (3, 4)
    assert md[2, 1] == pytest.approx(float(mean_deviation_24_2(fields[2, 1], ages[2, 1])))
    assert total_deviation_24_2(fields, ages).shape == (3, 4, 54)


@pytest.mark.parametrize("field", [np.zeros(52), np.zeros((54, 2)), np.float64(3.0)])
def test_a_wrong_shape_is_refused(field):
    with pytest.raises(InputError, match="expected"):
        mean_deviation_24_2(field, 50.0)


def test_a_missing_threshold_is_refused_outside_the_blind_spot_only():
    field = normal_sensitivity_24_2(50.0)  # NaN in the blind spot by itself
    mean_deviation_24_2(field, 50.0)
    field[3] = np.nan
    with pytest.raises(InputError, match="missing threshold"):
        mean_deviation_24_2(field, 50.0)


@pytest.mark.parametrize("age", [np.nan, -1.0, 200.0])
def test_an_impossible_age_is_refused(age):
    with pytest.raises(InputError, match="age"):
        mean_deviation_24_2(np.full(54, 30.0), age)


def test_sectors_have_the_published_sizes_and_the_upper_field_belongs_to_the_lower_disc():
    assert collections.Counter(POINT_SECTORS) == {"T": 8, "TS": 14, "NS": 7, "N": 2, "NI": 7, "TI": 14, "-": 2}
    upper = POINTS_DEG[:, 1] > 0
    assert set(POINT_SECTORS[upper]) == {"TI", "NI", "T", "N", "-"}
    assert set(POINT_SECTORS[~upper]) == {"TS", "NS", "T", "N", "-"}


def test_the_weights_span_what_the_package_publishes():
    relative = MD_WEIGHTS[~BLIND_SPOT] * 52
    assert (relative.min(), relative.max()) == (pytest.approx(0.63, abs=0.01), pytest.approx(1.47, abs=0.01))


def test_examples_run():
    result = doctest.testmod(perimetry)
    assert result.attempted > 0
    assert result.failed == 0


def test_points_are_those_of_the_package():
    np.testing.assert_array_equal(POINTS_DEG, np.asarray(_rda("locmaps")["p24d2"]["coord"], dtype=float))


def test_real_healthy_controls_have_md_about_zero():
    fields, ages, people = _fields("vfctrSunyiu24d2")
    md = mean_deviation_24_2(fields, ages)
    assert abs(md.mean()) < 0.1
    assert 1.0 < md.std() < 1.5
    assert len(np.unique(people)) == 91


def test_real_healthy_controls_reproduce_the_tables():
    fields, ages, _ = _fields("vfctrSunyiu24d2")
    deviation = total_deviation_24_2(fields, ages)[:, ~BLIND_SPOT]
    assert np.abs(deviation.mean(axis=0)).max() < 1.0  # the norm at each point
    ratio = deviation.std(axis=0) / TD_SD_DB[~BLIND_SPOT]
    assert 0.8 < np.median(ratio) < 1.2  # and its SD


def test_real_retests_of_glaucoma_vary_by_half_a_decibel():
    fields, ages, people = _fields("vfpwgRetest24d2")
    md = mean_deviation_24_2(fields, ages)
    within = [md[people == person].var(ddof=1) for person in np.unique(people)]
    assert len(within) == 30
    assert np.sqrt(np.mean(within)) == pytest.approx(0.53, abs=0.02)
