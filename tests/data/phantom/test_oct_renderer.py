"""The OCT renderer: geometry, real layer contrast, thickness kept at coarse voxels, speckle statistics."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bundle.data.phantom import REALISTIC_GEOMETRY, OctAnatomy, OctGeometry, grow_vessels, mirror_left, render_oct
from bundle.data.phantom.oct import GREY_OUTSIDE, integrate_layers, scan_frame
from bundle.data.phantom.speckle import DEVICE_DEPTH_MM, GREY_PER_LOG_INTENSITY, log_speckle, speckle_statistics
from bundle.data.phantom.surfaces import MEASURING_RADIUS_MM, layer_surfaces, rnfl_thickness_um
from bundle.errors import InputError

STILL = {"axial_jitter_um": 0.0, "curvature_um_per_mm2": 0.0, "signal_strength": 10.0}
NORMAL = (69.9, 124.7, 74.3, 128.8)


def _surfaces(anatomy: OctAnatomy, geometry: OctGeometry):
    frame = scan_frame(anatomy, geometry, np.random.default_rng(0))
    return frame, layer_surfaces(anatomy, frame.temporal_mm, frame.superior_mm, frame.offset_um)


@pytest.mark.parametrize("geometry", [OctGeometry(), OctGeometry(shape=(24, 128, 48))])
def test_shape_type_and_determinism(geometry):
    anatomy = OctAnatomy.from_quadrants(*NORMAL, vessels=grow_vessels(np.random.default_rng(3)))
    first, second = (render_oct(anatomy, geometry, np.random.default_rng(1)) for _ in range(2))
    assert first.shape == geometry.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert (render_oct(anatomy, geometry, np.random.default_rng(2)) != first).mean() > 0.5


def test_spacing_is_extent_over_size():
    assert OctGeometry().spacing_mm == pytest.approx((6 / 16, 2 / 48, 6 / 32))


def test_layers_have_the_grey_of_real_cirrus_scans():
    anatomy = OctAnatomy.from_quadrants(*NORMAL, **STILL)
    voxels = render_oct(anatomy, REALISTIC_GEOMETRY, np.random.default_rng(0)).astype(float)
    frame, surfaces = _surfaces(anatomy, REALISTIC_GEOMETRY)
    centre_um = (np.arange(256) + 0.5) * 2000 / 256
    far = np.hypot(frame.temporal_mm, frame.superior_mm) > 1.3
    for k, name in ((1, "rnfl"), (2, "gcipl"), (5, "onl"), (7, "rpe")):
        top, bottom = surfaces.depth_um[k - 1][:, None] + 4, surfaces.depth_um[k][:, None] - 4
        inside = (centre_um[None, :, None] > top) & (centre_um[None, :, None] < bottom) & far[:, None]
        assert voxels[inside].mean() == pytest.approx(GREY_OUTSIDE[name], abs=2.5), name
    assert voxels[:, :40].mean() == pytest.approx(GREY_OUTSIDE["vitreous"], abs=2.0)


@pytest.mark.parametrize("geometry", [OctGeometry(), REALISTIC_GEOMETRY])
def test_a_voxel_is_the_integral_of_its_layers(geometry):
    anatomy = OctAnatomy.from_quadrants(*NORMAL, tilt_um_per_mm=(40.0, -20.0))
    _, surfaces = _surfaces(anatomy, geometry)
    coarse = integrate_layers(surfaces, geometry)
    fine = integrate_layers(surfaces, dataclasses.replace(geometry, shape=(geometry.shape[0], 1536, geometry.shape[2])))
    averaged = fine.reshape(geometry.shape[0], geometry.shape[1], -1, geometry.shape[2]).mean(axis=2)
    np.testing.assert_allclose(coarse, averaged, rtol=2e-3, atol=0.05)


def test_a_coarse_voxel_has_no_dead_zone_for_thickness():
    # 5-um steps are an eighth of a voxel: the column sum must rise with every one, by about the same amount.
    def column_sum(um: float) -> float:
        _, surfaces = _surfaces(OctAnatomy.from_quadrants(um, um, um, um, **STILL), OctGeometry())
        return float(integrate_layers(surfaces, OctGeometry()).sum(axis=1).mean())

    steps = np.diff([column_sum(um) for um in np.arange(30.0, 131.0, 5.0)])
    assert steps.min() > 0
    assert steps.max() / steps.min() < 1.1


def test_thickness_on_the_measuring_circle_is_the_profile():
    anatomy = OctAnatomy.from_quadrants(*NORMAL)
    angle = np.radians(np.arange(72) * 5 + 2.5)
    measured = rnfl_thickness_um(anatomy, np.full(72, MEASURING_RADIUS_MM), angle)
    np.testing.assert_allclose(measured, anatomy.rnfl_um, atol=1e-9)


def test_superior_is_first_and_temporal_is_left():
    anatomy = OctAnatomy.from_quadrants(70.0, 180.0, 70.0, 60.0, **STILL)
    _, surfaces = _surfaces(anatomy, OctGeometry())
    thickness = surfaces.depth_um[1] - surfaces.depth_um[0]
    assert thickness[2].mean() > 1.5 * thickness[-3].mean()
    deeper = OctAnatomy.from_quadrants(*NORMAL, tilt_um_per_mm=(50.0, 0.0), **STILL)
    _, tilted = _surfaces(deeper, OctGeometry())
    assert tilted.depth_um[6][:, 0].mean() > tilted.depth_um[6][:, -1].mean() + 200


def test_surfaces_never_cross_and_the_cup_is_a_hollow():
    anatomy = OctAnatomy.from_quadrants(50, 60, 50, 60, cup_disc_ratio=0.8, cup_depth_um=500.0)
    frame, surfaces = _surfaces(anatomy, REALISTIC_GEOMETRY)
    assert np.all(np.diff(surfaces.depth_um, axis=0) >= 0)
    radius = np.hypot(frame.temporal_mm, frame.superior_mm)
    ilm = surfaces.depth_um[0]
    assert ilm[radius < 0.3].mean() > ilm[radius > 1.5].mean() + 400


def test_weak_signal_darkens_the_retina_but_not_the_vitreous():
    volumes = [
        render_oct(OctAnatomy.from_quadrants(*NORMAL, signal_strength=s), OctGeometry(), np.random.default_rng(0))
        for s in (10.0, 5.0)
    ]
    assert volumes[0].max(axis=1).mean() > volumes[1].max(axis=1).mean() + 15
    assert volumes[0][:, :5].mean() == pytest.approx(volumes[1][:, :5].mean(), abs=1.0)


def test_vessels_cast_shadows_on_the_pigment_epithelium():
    vessels = grow_vessels(np.random.default_rng(0))
    without, with_vessels = (
        render_oct(
            OctAnatomy.from_quadrants(*NORMAL, vessels=v, **STILL)
            if v is not None
            else OctAnatomy.from_quadrants(*NORMAL, **STILL),
            REALISTIC_GEOMETRY,
            np.random.default_rng(0),
        )
        for v in (None, vessels)
    )
    darker = without.astype(int) - with_vessels
    assert darker.min() >= 0
    assert (darker[:, 130:] > 20).mean() > 0.005
    assert darker[:, :60].max() == 0


def test_a_left_eye_is_the_mirror_image():
    voxels = render_oct(OctAnatomy.from_quadrants(*NORMAL), OctGeometry(), np.random.default_rng(0))
    np.testing.assert_array_equal(mirror_left(voxels, "OS"), voxels[:, :, ::-1])
    np.testing.assert_array_equal(mirror_left(voxels, "OD"), voxels)


def test_speckle_has_the_device_statistics():
    assert speckle_statistics(DEVICE_DEPTH_MM) == (pytest.approx(1.0), pytest.approx(0.68))
    log = log_speckle((40, 256, 64), 2 / 256, np.random.default_rng(0)) * GREY_PER_LOG_INTENSITY
    looks, correlation = speckle_statistics(2 / 256)
    assert abs(log.mean()) < 0.7
    assert 0 < np.corrcoef(log[:, 1:].ravel(), log[:, :-1].ravel())[0, 1] == pytest.approx(correlation, abs=0.06)
    assert abs(np.corrcoef(log[:, :, 1:].ravel(), log[:, :, :-1].ravel())[0, 1]) < 0.01  # A-scans are independent
    assert np.exp(log / GREY_PER_LOG_INTENSITY).var() / np.exp(log / GREY_PER_LOG_INTENSITY).mean() ** 2 == (
        pytest.approx(1 / looks, rel=0.05)
    )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"signal_strength": 0.0}, "signal_strength"),
        ({"rnfl_um": np.full(36, 90.0)}, "rnfl_um"),
        ({"cup_disc_ratio": np.full(72, np.nan)}, "cup_disc_ratio"),
    ],
)
def test_impossible_anatomy_is_refused(change, match):
    with pytest.raises(InputError, match=match):
        dataclasses.replace(OctAnatomy.from_quadrants(*NORMAL), **change)
