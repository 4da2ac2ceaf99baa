"""Angles and RNFL profiles: means are exact, humps stand where they should."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from bundle.data.phantom import angles
from bundle.data.phantom.angles import (
    ANGLES_DEG,
    NORMAL_QUADRANTS_UM,
    SECTORS,
    interpolate_profile,
    quadrant_mask,
    rnfl_profile_from_quadrants,
    sector_mask,
)
from bundle.errors import InputError


@pytest.mark.parametrize(
    "quadrants", [NORMAL_QUADRANTS_UM, (60, 110, 70, 120), (45, 50, 45, 48), (70, 50, 74, 128), (40, 200, 30, 150)]
)
def test_every_quadrant_keeps_its_mean(quadrants):
    profile = rnfl_profile_from_quadrants(*quadrants)
    assert profile.min() > 0
    for name, expected in zip("TSNI", quadrants, strict=True):
        assert profile[quadrant_mask(name)].mean() == pytest.approx(expected, abs=1e-9)


def test_a_normal_profile_has_its_maxima_above_and_below():
    profile = rnfl_profile_from_quadrants(*NORMAL_QUADRANTS_UM)
    upper, lower = ANGLES_DEG < 180, ANGLES_DEG >= 180
    assert 60 < ANGLES_DEG[upper][profile[upper].argmax()] < 100
    assert 265 < ANGLES_DEG[lower][profile[lower].argmax()] < 305
    assert np.abs(np.diff(profile, append=profile[0])).max() < 20  # smooth round the circle


@pytest.mark.parametrize("bad", [(0, 1, 1, 1), (np.nan, 90, 90, 90), (60, 110, 70, 500), (1, 400, 1, 400)])
def test_impossible_quadrants_are_refused(bad):
    with pytest.raises(InputError, match="RNFL quadrants"):
        rnfl_profile_from_quadrants(*bad)


def test_quadrants_and_sectors_each_cover_the_circle_once():
    np.testing.assert_array_equal(sum(quadrant_mask(q).astype(int) for q in "TSNI"), 1)
    np.testing.assert_array_equal(sum(sector_mask(s).astype(int) for s in SECTORS), 1)
    assert sector_mask("TS")[ANGLES_DEG == 62.5].all()  # superior temporal
    assert sector_mask("TI")[ANGLES_DEG == 297.5].all()


def test_interpolation_is_periodic_and_exact_at_the_bins():
    profile = np.random.default_rng(0).normal(size=72)
    np.testing.assert_allclose(interpolate_profile(profile, np.radians(ANGLES_DEG)), profile, atol=1e-9)
    np.testing.assert_allclose(interpolate_profile(profile, np.radians(ANGLES_DEG - 720)), profile, atol=1e-9)
    assert interpolate_profile(profile, np.array(0.0)) == pytest.approx((profile[0] + profile[-1]) / 2)


def test_examples_run():
    result = doctest.testmod(angles)
    assert (result.attempted > 0, result.failed) == (True, 0)
