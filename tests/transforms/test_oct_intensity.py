from __future__ import annotations

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.transforms import StandardizeOctIntensityd


def standardize(x: np.ndarray) -> np.ndarray:
    return StandardizeOctIntensityd(keys="image")({"image": torch.from_numpy(x.astype(np.float32))})["image"].numpy()


def grey(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, 8, 16, 8))


def test_equals_clip_then_z_score() -> None:
    x = np.random.default_rng(0).gamma(2.0, 30.0, (1, 8, 16, 8))
    ordered = np.sort(x.astype(np.float32).ravel()).astype(np.float64)
    low, high = np.interp([0.01 * (x.size - 1), 0.995 * (x.size - 1)], np.arange(x.size), ordered)
    clipped = np.minimum(np.maximum(x, low), high)
    want = (clipped - clipped.mean()) / np.sqrt(((clipped - clipped.mean()) ** 2).mean())
    np.testing.assert_allclose(standardize(x), want, atol=1e-5)


def test_8_and_16_bits_give_the_same() -> None:
    np.testing.assert_allclose(standardize(grey() * 257), standardize(grey()), atol=1e-6)


@pytest.mark.parametrize(("gain", "offset"), [(1 / 255, 0.0), (0.37, 12.0), (40.0, -1000.0)])
def test_gain_and_offset_of_the_scanner_cancel(gain: float, offset: float) -> None:
    np.testing.assert_allclose(standardize(gain * grey() + offset), standardize(grey()), atol=2e-4)


def test_saturated_pixels_do_not_move_the_scale() -> None:
    x = np.random.default_rng(3).normal(100, 20, (1, 16, 16, 16))
    spoiled = x.copy()
    spoiled[0, 0, 0, :10] = 65535.0
    unclipped = np.abs(x - 100) < 40
    unclipped[0, 0, 0, :10] = False
    assert np.abs(standardize(spoiled) - standardize(x))[unclipped].max() < 0.03
    assert standardize(spoiled).max() < 3.5


@pytest.mark.parametrize("value", [0.0, 255.0])
def test_constant_volume_is_refused(value: float) -> None:
    item = {"image": torch.full((1, 4, 4, 4), value), "row": 12}
    with pytest.raises(InputError, match=r"manifest row 12: key 'image': found the same value .* expected contrast"):
        StandardizeOctIntensityd(keys="image")(item)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_value_that_is_not_finite_is_refused(bad: float) -> None:
    x = torch.rand(1, 4, 4, 4)
    x[0, 2, 2, 2] = bad
    with pytest.raises(InputError, match="found NaN or infinite voxels"):
        StandardizeOctIntensityd(keys="image")({"image": x})


def test_percentiles_out_of_order_are_refused() -> None:
    with pytest.raises(InputError, match="0 <= low < high <= 100"):
        StandardizeOctIntensityd(keys="image", low_percent=99, high_percent=1)
