from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from bundle.errors import InputError
from bundle.transforms import RandBScanDropoutd, RandOctContrastd, RandSignalDropd, RandSpeckled


def volume(seed: int = 0, shape: tuple[int, ...] = (1, 12, 24, 16)) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("looks", [1.0, 4.0, 30.0])
def test_speckle_is_the_standardised_logarithm_of_a_gamma_variable(looks: float) -> None:
    x = torch.zeros(1, 16, 48, 32)
    noise = RandSpeckled(keys="image", prob=1.0, amplitude=(1.0, 1.0), looks=looks).set_random_state(0)({"image": x})
    values = noise["image"].numpy().ravel().astype(np.float64)
    law = stats.loggamma(looks)
    assert stats.kstest(values * law.std() + law.mean(), law.cdf).pvalue > 1e-3
    assert abs(values.mean()) < 5 / np.sqrt(values.size)
    assert values.std() == pytest.approx(1.0, abs=0.05)
    assert stats.skew(values) == pytest.approx(float(law.stats("s")), abs=0.25)


def test_speckle_has_the_amplitude_asked_for() -> None:
    x = volume(shape=(1, 16, 48, 32))
    got = RandSpeckled(keys="image", prob=1.0, amplitude=(0.25, 0.25)).set_random_state(3)({"image": x})["image"]
    assert float((got - x).std()) == pytest.approx(0.25, rel=0.03)
    # Independent from voxel to voxel, so no streaks along any axis.
    noise = (got - x)[0]
    for axis in range(3):
        a, b = noise.narrow(axis, 0, noise.shape[axis] - 1), noise.narrow(axis, 1, noise.shape[axis] - 1)
        assert abs(float((a * b).mean() / noise.var())) < 0.04


def test_contrast_follows_its_formula() -> None:
    x = volume()
    transform = RandOctContrastd(keys="image", prob=1.0, gain=(1.3, 1.3), offset=(-0.4, -0.4), roll_off=(0.6, 0.6))
    depth = np.linspace(0, 1, 24).reshape(1, 1, 24, 1)
    want = 1.3 * x.numpy() - 0.4 + 0.6 * (depth - 0.5)
    np.testing.assert_allclose(transform({"image": x})["image"].numpy(), want, atol=1e-6)


def test_shadow_takes_the_same_from_every_depth_of_an_a_scan() -> None:
    x = volume() + 100 * torch.ones(1, 12, 24, 16)
    x[0, 0, 0, 0] = -1000.0  # a noise floor far below
    transform = RandSignalDropd(keys="image", prob=1.0, count=1, attenuation=(1.2, 1.2), width=(0.1, 0.1))
    loss = (x - transform.set_random_state(0)({"image": x})["image"])[0, 1:, 1:, 1:].numpy()
    np.testing.assert_allclose(loss, np.broadcast_to(loss[:, :1], loss.shape), atol=2e-5)
    assert loss.min() >= -1e-5
    assert 0.6 < loss.max() <= 1.2 + 1e-5
    # The logarithm of a Gaussian shadow is a paraboloid of curvature -1 / width^2 along both axes.
    en_face = loss[:, 0].astype(np.float64)
    b, a = np.unravel_index(en_face[1:-1, 1:-1].argmax(), (9, 13))
    patch = np.log(en_face[b : b + 3, a : a + 3])
    np.testing.assert_allclose((patch[0] - 2 * patch[1] + patch[2]) * 12**2, -100.0, rtol=0.02)
    np.testing.assert_allclose((patch[:, 0] - 2 * patch[:, 1] + patch[:, 2]) * 16**2, -100.0, rtol=0.02)


def test_shadow_never_falls_below_the_noise_floor() -> None:
    x = volume()
    transform = RandSignalDropd(keys="image", prob=1.0, count=5, attenuation=(50, 50), width=(1, 1)).set_random_state(0)
    got = transform({"image": x})["image"]
    assert torch.equal(got, torch.full_like(x, float(x.min())))


def test_lost_bscans_hold_the_mean_and_the_others_are_untouched() -> None:
    x = volume() + 3
    transform = RandBScanDropoutd(keys="image", prob=1.0, count=3).set_random_state(0)
    counts = []
    for _ in range(40):
        got = transform({"image": x})["image"]
        lost = [b for b in range(12) if not torch.equal(got[:, b], x[:, b])]
        counts.append(len(lost))
        np.testing.assert_allclose(got[:, lost].numpy(), x.double().mean().item(), atol=1e-5)
    assert set(counts) == {1, 2, 3}


def test_no_more_bscans_are_lost_than_there_are() -> None:
    x = volume(shape=(1, 2, 4, 4))
    got = RandBScanDropoutd(keys="image", prob=1.0, count=50).set_random_state(0)({"image": x})["image"]
    assert torch.isfinite(got).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda: RandSpeckled(keys="image", looks=0.0),
        lambda: RandSpeckled(keys="image", amplitude=(0.3, 0.1)),
        lambda: RandSignalDropd(keys="image", count=-1),
        lambda: RandBScanDropoutd(keys="image", count=-1),
        lambda: RandOctContrastd(keys="image", prob=1.5),
        lambda: RandOctContrastd(keys="image", gain=[0.5, 1.0, 2.0]),
    ],
)
def test_impossible_settings_are_refused(build: object) -> None:
    with pytest.raises(InputError, match=r"found .*expected"):
        build()  # type: ignore[operator]
