"""The photograph: colours of damage where they belong, confounders that act, orientation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bundle.data.phantom import ANGLES_DEG, FundusAnatomy, grow_vessels, no_vessels, render_fundus
from bundle.data.phantom.fundus import FIELD_MM
from bundle.data.phantom.vessels import rasterise

SIZE = 96
PLAIN = FundusAnatomy(cup_disc_ratio=np.full(72, 0.4), fibre_layer=np.ones(72))


def _render(**change) -> np.ndarray:
    return render_fundus(dataclasses.replace(PLAIN, **change), SIZE, np.random.default_rng(0)).astype(float)


def _polar() -> tuple[np.ndarray, np.ndarray]:
    centre = FIELD_MM / 2 - (np.arange(SIZE) + 0.5) * FIELD_MM / SIZE
    temporal, superior = np.meshgrid(centre, centre)
    return np.hypot(temporal / 0.76, superior / 0.83), np.degrees(np.arctan2(superior, temporal)) % 360


def test_type_shape_and_determinism():
    first, second = (render_fundus(PLAIN, 64, np.random.default_rng(4)) for _ in range(2))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)


def test_the_disc_is_the_brightest_part_and_the_cup_is_paler_than_the_rim():
    rho, _ = _polar()
    image = _render()
    cup, rim, retina = image[rho < 0.25], image[(rho > 0.6) & (rho < 0.9)], image[rho > 1.3]
    assert cup.mean() > rim.mean() > retina.mean()
    assert cup[:, 2].mean() > rim[:, 2].mean() + 20  # less red, more white


def test_a_larger_cup_and_pallor_whiten_the_disc():
    rho, _ = _polar()
    ring = (rho > 0.5) & (rho < 0.7)
    assert _render(cup_disc_ratio=np.full(72, 0.8))[ring, 2].mean() > _render()[ring, 2].mean() + 20
    assert _render(pallor=0.6)[ring, 2].mean() > _render()[ring, 2].mean() + 20


def test_a_wedge_defect_darkens_its_own_sector_only():
    fibre_layer = np.where(np.abs(ANGLES_DEG - 290) < 15, 0.0, 1.0)
    darker = _render() - _render(fibre_layer=fibre_layer)
    rho, angle = _polar()
    ring = (rho > 1.15) & (rho < 1.6)
    assert darker[ring & (np.abs(angle - 290) < 8)].mean() > 2
    assert abs(darker[ring & (np.abs(angle - 110) < 30)].mean()) < 0.2


def test_atrophy_lies_temporal_of_the_disc():
    rho, angle = _polar()
    brighter = _render(crescent=0.6) - _render()
    beside = (rho > 1.1) & (rho < 1.4)
    temporal, nasal = beside & ((angle < 40) | (angle > 320)), beside & (np.abs(angle - 180) < 40)
    assert brighter[temporal].mean() > 30
    assert abs(brighter[nasal].mean()) < 3


def test_cataract_removes_detail():
    vessels = grow_vessels(np.random.default_rng(1))

    def detail(image: np.ndarray) -> float:
        return float(np.quantile(np.abs(np.diff(image, axis=1)), 0.97))  # edges, not camera noise

    clear = detail(_render(vessels=vessels))
    assert detail(_render(vessels=vessels, cataract_mm=0.15, veil=0.4)) < 0.6 * clear


def test_light_and_decentration_act_in_the_right_direction():
    brighter_temporal = _render(light=(0.1, 0.0))
    assert brighter_temporal[:, :20].mean() > brighter_temporal[:, -20:].mean() + 10  # temporal is left
    disc = _render(decentration_mm=(0.5, 0.0))[..., 2]
    column = (disc > 100).sum(axis=0) @ np.arange(SIZE) / (disc > 100).sum()
    assert column == pytest.approx(SIZE / 2 + 0.5 * SIZE / FIELD_MM, abs=2)  # disc moves nasally


def test_vessels_leave_the_disc_towards_all_four_arcades():
    tree = grow_vessels(np.random.default_rng(2))
    far = tree.points_mm[np.hypot(*tree.points_mm.T) > 2.0]
    quadrant = (far[:, 0] > 0).astype(int) + 2 * (far[:, 1] > 0)
    assert np.bincount(quadrant, minlength=4).min() > 20
    assert tree.width_mm[tree.vein == 1].max() > tree.width_mm[tree.vein == 0].max()


def test_rasterised_cover_is_the_area_of_the_line():
    points = np.stack([np.linspace(-1, 1, 400), np.zeros(400)], axis=1)
    grid = np.linspace(-2, 2, 161)
    cover = rasterise(points, np.full(400, 0.2), grid, grid)
    assert cover.sum() * 0.025**2 == pytest.approx(2.0 * 0.2 + np.pi * 0.01, rel=0.03)
    assert rasterise(no_vessels().points_mm, no_vessels().width_mm, grid, grid).sum() == 0
