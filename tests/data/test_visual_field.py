"""The record of a visual field: pattern by coordinates, reliability limits, and real coordinates of the patterns."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bundle.data.perimetry import BLIND_SPOT, POINTS_DEG
from bundle.data.visual_field import Reliability, VisualField
from bundle.data.visual_field_patterns import pattern_of
from bundle.errors import InputError
from tests.realdata import realdata


def field_of(coordinates_deg: np.ndarray, laterality: str = "OD") -> VisualField:
    points = np.full((len(coordinates_deg), 4), np.nan)
    points[:, :2] = coordinates_deg
    return VisualField(md_db=-1.0, laterality=laterality, points=points)


def square_grid(step_deg: int, radius_deg: float, last_deg: int) -> np.ndarray:
    """Points of a grid that straddles the meridians, within a circle."""
    axis = np.arange(-last_deg, last_deg + 1, step_deg)
    return np.array([(x, y) for y in axis for x in axis if np.hypot(x, y) <= radius_deg], dtype=float)


def test_patterns_have_their_published_shape() -> None:
    """30-2 and 10-2 are all points of a grid of 6 and of 2 degrees around fixation within 30 and 10 degrees."""
    wide, narrow = square_grid(6, 29.5, 27), square_grid(2, 9.2, 9)
    assert (len(wide), len(narrow)) == (76, 68)
    assert (pattern_of(wide), pattern_of(narrow), pattern_of(POINTS_DEG)) == ("30-2", "10-2", "24-2")


def test_left_eye_is_mirrored_before_it_is_named() -> None:
    assert field_of(POINTS_DEG * [-1, 1], "OS").pattern == "24-2"
    assert field_of(POINTS_DEG, "OD").pattern == "24-2"


@pytest.mark.parametrize(("laterality", "mirror"), [("OD", -1), ("OS", 1)])
def test_points_of_the_other_eye_are_refused(laterality: str, mirror: int) -> None:
    with pytest.raises(InputError, match="correct the laterality"):
        field_of(POINTS_DEG * [mirror, 1], laterality)


def test_fixation_and_a_missing_blind_spot_do_not_change_the_name() -> None:
    assert field_of(np.vstack([POINTS_DEG[~BLIND_SPOT], [0.0, 0.0]])).pattern == "24-2"


def test_other_points_are_another_pattern() -> None:
    assert field_of(POINTS_DEG[1:]).pattern == "other"
    assert field_of(POINTS_DEG + 0.3).pattern == "other"
    assert field_of(np.vstack([POINTS_DEG, [1.0, 1.0]])).pattern == "other"


@pytest.mark.parametrize(
    ("shares", "reliable"),
    [
        ((0.19, 0.14, 0.32), True),
        ((0.20, 0.0, 0.0), False),
        ((0.0, 0.15, 0.0), False),
        ((0.0, 0.0, 0.33), False),
        ((None, None, 0.1), True),
        ((None, 0.4, None), False),
        ((None, None, None), None),
    ],
)
def test_limits_of_reliability(shares: tuple[float | None, ...], reliable: bool | None) -> None:
    names = ("fixation_losses", "false_positives", "false_negatives")
    assert Reliability(**dict(zip(names, shares, strict=True))).reliable is reliable


@pytest.mark.parametrize("name", ["p24d2", "p30d2", "p10d2", "g1"])
def test_real_coordinates_are_named(name: str) -> None:
    rdata = pytest.importorskip("rdata")
    path = realdata("visualfields", "locmaps.rda")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coordinates = np.asarray(rdata.read_rda(path)["locmaps"][name]["coord"], dtype=float)
    expected = {"p24d2": "24-2", "p30d2": "30-2", "p10d2": "10-2", "g1": "other"}[name]
    assert pattern_of(coordinates) == expected
