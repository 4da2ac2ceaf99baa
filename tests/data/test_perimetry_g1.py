"""The G1 pattern: geometry and order against real fields, the norm against the healthy fields it was fitted to."""

from __future__ import annotations

import csv
import warnings

import numpy as np
import pytest

from bundle.data import perimetry_g1 as g1
from tests.realdata import realdata

NORMAL_50 = g1.normal_sensitivity_db(50.0)


def _rda(name: str, key: str):
    rdata = pytest.importorskip("rdata")
    path = realdata("visualfields", f"{name}.rda")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rdata.read_rda(path)[key]


def _coordinates(pattern: str) -> np.ndarray:
    return np.asarray(_rda("locmaps", "locmaps")[pattern]["coord"], dtype=float)


@pytest.fixture(scope="module")
def grape_rows() -> list[dict[str, str]]:
    with realdata("grape", "GRAPE_VF.csv").open() as file:
        return list(csv.DictReader(file))


def _fields(rows: list[dict[str, str]]) -> np.ndarray:
    return np.stack([g1.point_sensitivities_db([float(row[str(k)]) for k in range(60)]) for row in rows])


def test_points_are_those_of_the_published_g1_pattern():
    ours = {tuple(point) for point in g1.COORDINATES_DEG}
    assert len(ours) == 59
    assert ours == {tuple(point) for point in _coordinates("g1")}


@pytest.mark.parametrize("eye", ["OD", "OS"])
def test_order_and_laterality_match_the_fields_of_another_clinic(eye, grape_rows):
    """Of the four mirrorings of the pattern, the right one matches 24-2 fields (right-eye format) best, in both eyes.

    Compared: the spread of the sensitivity at each point between eyes, and how points vary together.
    """
    with realdata("uwhvf", "Location_Intercept_TD.csv").open() as file:
        table = [row[1:55] for row in csv.reader(file)][1:]
    with realdata("uwhvf", "Coord_242.csv").open() as file:
        points = np.array([[float(row["X"]), float(row["Y"])] for row in csv.DictReader(file)])
    tested = [k for k in range(54) if k not in (25, 34)]
    td_db = np.array([[float(row[k]) for k in tested] for row in table if "NA" not in [row[k] for k in tested]])
    sensitivities = _fields([row for row in grape_rows if row["Laterality"] == eye])
    pairs = np.triu_indices(59, 1)

    def agreement(mirror: tuple[int, int]) -> tuple[float, float]:
        at = g1.COORDINATES_DEG * mirror
        weight = np.exp(-((at[:, None] - points[tested][None]) ** 2).sum(-1) / 32)
        weight *= at[:, None, 1] * points[tested][None, :, 1] >= 0  # the horizontal meridian divides field defects
        there = td_db @ (weight / weight.sum(1, keepdims=True)).T
        spread = np.corrcoef(sensitivities.std(0), there.std(0))[0, 1]
        together = np.corrcoef(np.corrcoef(sensitivities.T)[pairs], np.corrcoef(there.T)[pairs])[0, 1]
        return spread, together

    right = agreement((1, 1))
    others = [agreement(mirror) for mirror in ((1, -1), (-1, 1), (-1, -1))]
    assert right[0] > 0.8
    assert all(right[0] > other[0] + 0.05 and right[1] > other[1] for other in others)


def test_superior_field_goes_with_inferior_rnfl(grape_rows):
    rows = [row for row in grape_rows if row["I"] != "/"]
    sensitivities, y = _fields(rows), g1.COORDINATES_DEG[:, 1]
    inferior_um, superior_um = (np.array([float(row[name]) for row in rows]) for name in ("I", "S"))
    upper, lower = sensitivities[:, y > 0].mean(1), sensitivities[:, y < 0].mean(1)

    def r(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a, b)[0, 1])

    assert r(upper, inferior_um) > r(upper, superior_um) + 0.1
    assert r(upper, inferior_um) > r(lower, inferior_um) + 0.1


def test_norm_is_the_surface_through_the_healthy_fields():
    table = _rda("vfctrSunyiu24d2", "vfctrSunyiu24d2")
    points, tested = _coordinates("p24d2"), [k for k in range(54) if k not in (25, 34)]
    sensitivity = np.stack([np.asarray(table[f"l{k + 1}"], dtype=float) for k in tested], axis=1)
    age, subject = np.asarray(table["age"], dtype=float), np.asarray(table["id"])
    weight = np.sqrt([1.0 / (subject == one).sum() for one in subject])[:, None]
    lines = np.linalg.lstsq(np.stack([np.ones_like(age), age], 1) * weight, sensitivity * weight, rcond=None)[0]
    x, y = points[tested].T
    design = np.stack([np.ones_like(x), x, y, x**2, y**2], 1)
    surfaces = np.linalg.lstsq(design, lines.T, rcond=None)[0]
    x, y = g1.COORDINATES_DEG.T
    at_g1 = np.stack([np.ones_like(x), x, y, x**2, y**2], 1) @ surfaces
    for years in (30.0, 60.0, 80.0):
        expected_db = at_g1 @ [1.0, years] - 10 * np.log10(2.5)
        np.testing.assert_allclose(g1.normal_sensitivity_db(years), expected_db, atol=1e-3)
    residual_db = (lines.T - design @ surfaces) @ [1.0, 60.0]
    assert np.sqrt((residual_db**2).mean()) == pytest.approx(0.43, abs=0.005)


def test_label_is_corrected_for_age_in_real_eyes(grape_rows):
    age = np.array([float(row["Age"]) for row in grape_rows])
    fields = _fields(grape_rows)
    label = np.array([g1.mean_deviation_db(one, years) for one, years in zip(fields, age, strict=True)])
    mean = fields.mean(1)
    assert np.corrcoef(mean, age)[0, 1] < -0.15
    assert abs(np.corrcoef(label, age)[0, 1]) < 0.1
    assert np.corrcoef(mean, label)[0, 1] > 0.97
    assert -1.0 < np.quantile(label, 0.9) < 1.0  # the best of these eyes are near normal


def test_normal_eye_has_no_deviation():
    assert g1.mean_deviation_db(NORMAL_50, 50.0) == pytest.approx(0.0, abs=1e-12)


def test_loss_is_negative_and_in_db():
    assert g1.mean_deviation_db(NORMAL_50 - 6.0, 50.0) == pytest.approx(-6.0)


def test_normal_falls_with_age_by_about_half_a_decibel_a_decade():
    fall = (g1.normal_sensitivity_db(40.0) - g1.normal_sensitivity_db(70.0)).mean() / 3
    assert 0.5 < fall < 0.8


def test_normal_is_highest_near_fixation_and_lowest_at_the_edge():
    eccentricity_deg = np.hypot(*g1.COORDINATES_DEG.T)
    assert eccentricity_deg[NORMAL_50.argmax()] < 3
    assert eccentricity_deg[NORMAL_50.argmin()] > 25
    assert 28.0 < NORMAL_50[0] < 30.0


def _columns(value: float) -> np.ndarray:
    columns = np.full(60, value)
    columns[21] = -1
    return columns


def test_blind_spot_is_dropped_and_unseen_points_count_as_zero():
    columns = _columns(10.0)
    columns[[0, 22]] = -1
    values = g1.point_sensitivities_db(columns)
    assert values.shape == (59,)
    assert values[0] == 0
    assert values[21] == 0  # column 22, the first after the blind spot
    assert g1.mean_sensitivity_db(values) == pytest.approx(570 / 59)


@pytest.mark.parametrize(
    ("column", "value", "message"), [(21, 5.0, "column 21"), (3, -2.0, "below -1"), (3, np.nan, "no number")]
)
def test_fields_in_another_layout_are_refused(column, value, message):
    columns = _columns(20.0)
    columns[column] = value
    with pytest.raises(ValueError, match=message):
        g1.point_sensitivities_db(columns)


def test_wrong_number_of_points_is_refused():
    with pytest.raises(ValueError, match="59"):
        g1.mean_deviation_db(np.zeros(60), 50.0)
    with pytest.raises(ValueError, match="60"):
        g1.point_sensitivities_db(np.zeros(59))
