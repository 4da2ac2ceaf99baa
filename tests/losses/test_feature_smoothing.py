"""Feature distribution smoothing against loops in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bundle.errors import InputError
from bundle.losses import FeatureSmoothing

CHANNELS, MOMENTUM = 3, 0.8
BINS: dict[str, Any] = {"bin_width_db": 2.0, "range_db": (-12.0, 0.0)}  # six bins


def eyes(seed: int, n: int = 60, below_db: float = 1.0) -> tuple[Tensor, Tensor]:
    """Features that depend on MD in mean and spread; labels from -14 to `below_db`, beyond both ends of the bins."""
    generator = torch.Generator().manual_seed(seed)
    md_db = -14 + (below_db + 14) * torch.rand(n, generator=generator)
    z = torch.randn(n, CHANNELS, generator=generator) * (1 - md_db.unsqueeze(1) / 5) + md_db.unsqueeze(1)
    return z, md_db


def bin_of(md_db: float) -> int:
    return min(max(math.floor((md_db + 12.0) / 2.0), 0), 5)


def statistics(epochs: list[tuple[Tensor, Tensor]]) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Running mean and variance of every bin that an eye has fallen into."""
    mean: dict[int, np.ndarray] = {}
    variance: dict[int, np.ndarray] = {}
    for z, md_db in epochs:
        for b in {bin_of(y) for y in md_db.tolist()}:
            here = np.array([row for row, y in zip(z.double().numpy(), md_db.tolist(), strict=True) if bin_of(y) == b])
            spread = here.var(axis=0, ddof=1) if len(here) > 1 else np.zeros(CHANNELS)
            m = MOMENTUM if b in mean else 0.0
            mean[b] = m * mean.get(b, 0.0) + (1 - m) * here.mean(axis=0)
            variance[b] = m * variance.get(b, 0.0) + (1 - m) * spread
    return mean, variance


def smoothed(values: dict[int, np.ndarray], b: int) -> np.ndarray:
    """Gaussian over five bins, mirrored at both ends without repeating the outermost one, empty bins left out."""
    total, weights = np.zeros(CHANNELS), 0.0
    for d in range(-2, 3):
        other = abs(b + d)
        other = other if other <= 5 else 10 - other
        if other in values:
            k = math.exp(-(d**2) / (2 * 1.5**2))
            total, weights = total + k * values[other], weights + k
    return total / weights


def by_hand(z: np.ndarray, b: int, mean: dict[int, np.ndarray], variance: dict[int, np.ndarray]) -> np.ndarray:
    if b not in mean or not variance[b].all():
        return z
    ratio = np.clip(smoothed(variance, b) / variance[b], 0.1, 10)
    return (z - mean[b]) * np.sqrt(ratio) + smoothed(mean, b)


@pytest.mark.parametrize("below_db", [1.0, -4.0], ids=["all bins", "empty bins"])
def test_calibrated_features_are_those_of_the_formula(below_db: float) -> None:
    epochs = [eyes(0, below_db=below_db), eyes(1, 25, below_db)]
    smoothing = FeatureSmoothing(MOMENTUM, 5, 1.5, **BINS)
    for z, md_db in epochs:
        smoothing.update(z, md_db)
    z, md_db = eyes(2)
    h_BNC = torch.stack([z + 1, z - 1], dim=1)
    found = smoothing.calibrate(h_BNC, md_db, torch.ones(len(z), dtype=torch.bool)).mean(1)
    mean, variance = statistics(epochs)
    expected = [
        by_hand(row, bin_of(y), mean, variance) for row, y in zip(z.double().numpy(), md_db.tolist(), strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), np.array(expected), rtol=1e-4, atol=1e-4)
    assert np.abs(found.numpy() - z.numpy()).max() > 0.1


def fitted(**options: Any) -> FeatureSmoothing:
    smoothing = FeatureSmoothing(**{**BINS, **options})
    smoothing.update(*eyes(0))
    return smoothing


def everyone(n: int) -> Tensor:
    return torch.ones(n, dtype=torch.bool)


def test_a_kernel_of_one_bin_changes_no_bit() -> None:
    z, md_db = eyes(1)
    h_BNC = torch.stack([z, 2 * z], dim=1)
    assert torch.equal(fitted(kernel_size=1).calibrate(h_BNC, md_db, everyone(60)), h_BNC)


def test_equal_bins_are_a_fixed_point() -> None:
    """With one mean and one variance everywhere there is nothing to smooth."""
    pair = torch.tensor([[1.0, -2.0, 0.5], [3.0, 2.0, 1.5]])
    md_db = torch.arange(-11.0, 0.0, 2.0).repeat_interleave(2)
    smoothing = FeatureSmoothing(**BINS)
    smoothing.update(pair.repeat(6, 1), md_db)
    h_BNC = pair.repeat(6, 1).unsqueeze(1)
    torch.testing.assert_close(smoothing.calibrate(h_BNC, md_db, everyone(12)), h_BNC)


def test_before_the_first_statistics_nothing_changes() -> None:
    z, md_db = eyes(1)
    assert torch.equal(FeatureSmoothing(**BINS).calibrate(z.unsqueeze(1), md_db, everyone(60)), z.unsqueeze(1))


def test_missing_images_missing_labels_and_empty_bins_stay_bit_for_bit() -> None:
    smoothing = FeatureSmoothing(**BINS)
    smoothing.update(*eyes(0, below_db=-4.0))  # nothing above -4 dB
    h_BNC = torch.randn(4, 2, CHANNELS, generator=torch.Generator().manual_seed(0))
    before = h_BNC.clone()
    md_db, present = torch.tensor([-9.0, math.nan, -1.0, -9.0]), torch.tensor([False, True, True, True])
    found = smoothing.calibrate(h_BNC, md_db, present)
    assert [torch.equal(found[i], before[i]) for i in range(4)] == [True, True, True, False]
    assert torch.equal(h_BNC, before)  # not in place


def test_one_eye_has_no_variance_and_stays() -> None:
    smoothing = FeatureSmoothing(**BINS)
    z, md_db = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [6.0, 5.0, 4.5]]), torch.tensor([-11.0, -9.0, -9.0])
    smoothing.update(z, md_db)
    found = smoothing.calibrate(z.unsqueeze(1), md_db, everyone(3)).squeeze(1)
    assert torch.equal(found[0], z[0])
    assert not torch.equal(found[1], z[1])


def test_an_epoch_without_eyes_changes_no_statistics() -> None:
    smoothing = fitted()
    before = {name: value.clone() for name, value in smoothing.state_dict().items()}
    smoothing.update(torch.zeros(0, CHANNELS), torch.zeros(0))
    assert all(torch.equal(before[name], value) for name, value in smoothing.state_dict().items())


def test_gradient_is_the_scale_and_no_statistic_has_one() -> None:
    smoothing = fitted()
    z, md_db = eyes(1)
    h_BNC = z.unsqueeze(1).requires_grad_()
    smoothing.calibrate(h_BNC, md_db, everyone(60)).sum().backward()
    assert h_BNC.grad is not None
    limits = torch.tensor([0.1, 10.0]).sqrt()
    assert bool(((h_BNC.grad >= limits[0] - 1e-6) & (h_BNC.grad <= limits[1] + 1e-6)).all())
    assert not any(value.requires_grad for value in smoothing.state_dict().values())


def test_save_load_go_on_equals_never_stopped() -> None:
    never, stopped = fitted(), FeatureSmoothing(**BINS)
    stopped.load_state_dict(fitted().state_dict())
    z, md_db = eyes(1)
    for smoothing in (never, stopped):
        smoothing.update(z, md_db)
    answers = [s.calibrate(z.unsqueeze(1), md_db, everyone(60)) for s in (never, stopped)]
    assert torch.equal(*answers)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 1.0}, {"kernel_size": 4}, {"kernel_size": 13}, {"kernel_sigma": 0.0}, {"bin_width_db": -1.0},
        {"range_db": (0.0, -12.0)}, {"clip": (10.0, 0.1)},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_arguments_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        FeatureSmoothing(**{**BINS, **options})
