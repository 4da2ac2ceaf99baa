from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from bundle.errors import InputError
from bundle.transforms import (
    CorrectIlluminationd,
    RandFundusAffined,
    RandFundusBlurd,
    RandFundusColord,
    ResizeFundusd,
    StandardizeFundusd,
)
from bundle.transforms.fundus import FUNDUS_MEAN, FUNDUS_SD


def photograph(seed: int = 0, height: int = 32, width: int = 32) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(3, height, width)), (0, 2, 2))
    return torch.from_numpy((0.5 + 0.8 * smooth).clip(0.05, 0.95).astype(np.float32))


def radius_grid(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (250, 250)])
@pytest.mark.parametrize(("fit", "field"), [("crop", 1.0), ("pad", 1.0), ("crop", 0.6)])
def test_circle_stays_a_circle_of_the_right_size(height: int, width: int, fit: str, field: float) -> None:
    circle = torch.from_numpy((radius_grid(height, width) < 60).astype(np.float32)).expand(3, -1, -1)
    got = ResizeFundusd(keys="fundus", size=64, fit=fit, field=field)({"fundus": circle})["fundus"][0].double().numpy()
    side = round(field * (min if fit == "crop" else max)(height, width))
    radius = 60 * 64 / side
    y, x = np.mgrid[:64, :64]
    area = got.sum()
    centre = [(got * y).sum() / area, (got * x).sum() / area]
    np.testing.assert_allclose(centre, [31.5, 31.5], atol=0.15)
    assert area == pytest.approx(np.pi * radius**2, rel=0.01)
    for second_moment in ((got * (y - centre[0]) ** 2).sum() / area, (got * (x - centre[1]) ** 2).sum() / area):
        assert second_moment == pytest.approx(radius**2 / 4, rel=0.03)  # of a disc about its diameter


def test_photograph_already_of_the_size_is_untouched() -> None:
    x = photograph(height=64, width=64)
    assert torch.equal(ResizeFundusd(keys="fundus", size=64)({"fundus": x})["fundus"], x)


def test_fine_stripes_are_not_aliased() -> None:
    stripes = torch.from_numpy((np.arange(640) % 2).astype(np.float32)).expand(3, 640, 640)
    got = ResizeFundusd(keys="fundus", size=64)({"fundus": stripes})["fundus"]
    np.testing.assert_allclose(got[..., 2:-2].numpy(), 0.5, atol=0.02)


def vignetted(height: int = 64) -> tuple[torch.Tensor, np.ndarray]:
    radius = radius_grid(height, height)
    light = np.exp(-((radius / (0.7 * height)) ** 2))
    flat = np.array([0.5, 0.3, 0.2])[:, None, None]
    inside = radius < height / 2
    return torch.from_numpy((flat * light * inside).astype(np.float32)), inside


def test_vignetting_is_evened_out() -> None:
    x, inside = vignetted()
    before = x.numpy()[:, inside]
    after = CorrectIlluminationd(keys="fundus", strength=1.0, sigma=0.12)({"fundus": x})["fundus"].numpy()[:, inside]
    spread_before, spread_after = before.std(1) / before.mean(1), after.std(1) / after.mean(1)
    assert (spread_after < 0.4 * spread_before).all()
    np.testing.assert_allclose(after.mean(1), before.mean(1), rtol=0.05)  # the colour cast stays


def test_strength_says_how_much_unevenness_goes() -> None:
    x, inside = vignetted()
    spreads = []
    for strength in (0.0, 0.5, 1.0):
        y = CorrectIlluminationd(keys="fundus", strength=strength, sigma=0.12)({"fundus": x})["fundus"]
        spreads.append(float(y[0].numpy()[inside].std()))
    assert spreads[0] > spreads[1] > spreads[2]
    assert CorrectIlluminationd(keys="fundus", strength=0.0)({"fundus": x})["fundus"] is x


def test_outside_the_aperture_stays_black() -> None:
    x, inside = vignetted()
    y = CorrectIlluminationd(keys="fundus", strength=1.0)({"fundus": x})["fundus"]
    assert np.array_equal(y.numpy()[:, ~inside], x.numpy()[:, ~inside])


def test_default_correction_keeps_most_of_the_pallor_of_the_disc() -> None:
    x = np.full((3, 64, 64), 0.35)
    disc = radius_grid(64, 64) < 8
    x[:, disc] = 0.6
    y = CorrectIlluminationd(keys="fundus")({"fundus": torch.from_numpy(x.astype(np.float32))})["fundus"].numpy()
    kept = (y[:, disc].mean() - y[:, ~disc].mean()) / 0.25
    assert 0.85 < kept < 1.05


def test_standardised_photograph_is_the_z_score_of_fixed_constants() -> None:
    x = photograph()
    got = StandardizeFundusd(keys="fundus", mean=[0.4, 0.3, 0.2], sd=[0.2, 0.1, 0.5])({"fundus": x})["fundus"]
    want = (x.numpy() - np.array([[[0.4]], [[0.3]], [[0.2]]])) / np.array([[[0.2]], [[0.1]], [[0.5]]])
    np.testing.assert_allclose(got.numpy(), want, atol=1e-6)


def test_colour_follows_its_formula_on_the_unit_scale() -> None:
    mean, sd = np.reshape(FUNDUS_MEAN, (3, 1, 1)), np.reshape(FUNDUS_SD, (3, 1, 1))
    x = photograph()
    standard = StandardizeFundusd(keys="fundus")({"fundus": x})
    transform = RandFundusColord(
        keys="fundus", prob=1.0, exposure=(1.2, 1.2), balance=(0.9, 0.9), contrast=(1.3, 1.3), gamma=(0.8, 0.8)
    )
    y = 1.2 * 0.9 * x.numpy().astype(np.float64) ** 0.8
    centre = y.mean((1, 2), keepdims=True)
    want = ((1.3 * (y - centre) + centre).clip(0, 1) - mean) / sd
    np.testing.assert_allclose(transform(standard)["fundus"].numpy(), want, atol=2e-5)


def test_balance_differs_from_channel_to_channel() -> None:
    x = torch.zeros(3, 8, 8)
    transform = RandFundusColord(keys="fundus", prob=1.0, exposure=0, contrast=0, gamma=0, balance=0.2)
    got = transform.set_random_state(0)({"fundus": x})["fundus"] * torch.tensor(FUNDUS_SD)[:, None, None]
    gains = 1 + got[:, 0, 0] / torch.tensor(FUNDUS_MEAN)
    assert gains.unique().numel() == 3
    assert bool(((gains > 0.8) & (gains < 1.2)).all())


@pytest.mark.parametrize("sigma_px", [1.0, 2.0])
def test_blur_equals_scipy(sigma_px: float) -> None:
    x = photograph()
    got = RandFundusBlurd(keys="fundus", prob=1.0, sigma_px=(sigma_px, sigma_px))({"fundus": x})["fundus"]
    want = gaussian_filter(x.numpy().astype(np.float64), (0, sigma_px, sigma_px), mode="nearest", truncate=3)
    np.testing.assert_allclose(got.numpy(), want, atol=1e-5)


@pytest.mark.parametrize(("rotation_deg", "scale", "shift"), [(10, 1.0, 0.0), (0, 1.1, 0.0), (-7, 0.9, 0.06)])
def test_affine_equals_scipy(rotation_deg: float, scale: float, shift: float) -> None:
    x = photograph()
    transform = RandFundusAffined(
        keys="fundus",
        prob=1.0,
        rotation_deg=(rotation_deg, rotation_deg),
        scale=(scale, scale),
        shift=(shift, shift),
    )
    angle = np.deg2rad(rotation_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    out = np.stack(np.mgrid[:32, :32]).reshape(2, -1) - 15.5 - 32 * shift
    source = np.linalg.inv(turn) @ out + 15.5
    want = [map_coordinates(c, source, order=1, mode="nearest").reshape(32, 32) for c in x.numpy().astype(float)]
    np.testing.assert_allclose(transform({"fundus": x})["fundus"].numpy(), want, atol=2e-5)


@pytest.mark.parametrize(
    "still",
    [
        RandFundusAffined(keys="fundus", prob=1.0, rotation_deg=0, scale=0, shift=0),
        RandFundusBlurd(keys="fundus", prob=1.0, sigma_px=0),
        RandFundusColord(keys="fundus", prob=1.0, exposure=0, balance=0, contrast=0, gamma=0),
    ],
    ids=lambda t: type(t).__name__,
)
def test_zero_ranges_change_nothing_at_all(still: object) -> None:
    x = photograph()
    assert still({"fundus": x})["fundus"] is x  # type: ignore[operator]


@pytest.mark.parametrize(
    "build",
    [
        lambda: ResizeFundusd(keys="fundus", fit="stretch"),
        lambda: ResizeFundusd(keys="fundus", field=0.0),
        lambda: CorrectIlluminationd(keys="fundus", strength=2.0),
        lambda: StandardizeFundusd(keys="fundus", sd=[0.2, 0.0, 0.2]),
        lambda: StandardizeFundusd(keys="fundus", mean=[0.2]),
        lambda: RandFundusColord(keys="fundus", gamma=1.0),
        lambda: RandFundusAffined(keys="fundus", scale=1.0),
    ],
)
def test_impossible_settings_are_refused(build: object) -> None:
    with pytest.raises(InputError, match=r"found .*expected"):
        build()  # type: ignore[operator]
