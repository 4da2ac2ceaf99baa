"""MGDA for two gradients against torchjd, and its guarantees."""

import pytest
import torch
from torchjd.aggregation import MGDA as JdMGDA

from bundle.errors import InputError
from bundle.modulation import MGDA, MinNorm, cosine


def pair(seed):
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.randn(2, 9, generator=generator, dtype=torch.float64)
    return u, v * 10 ** (seed % 5 - 2)


@pytest.mark.parametrize("seed", range(12))
def test_is_torchjds(seed):
    u, v = pair(seed)
    expected = JdMGDA(epsilon=1e-12, max_iters=2000)(torch.stack([u, v]))
    torch.testing.assert_close(MGDA(scale=1.0)(u, v), expected, rtol=1e-8, atol=1e-10)


def test_hand_values():
    u, v = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    torch.testing.assert_close(MGDA(scale=1.0)(u, v), torch.tensor([0.8, 0.4]))  # foot of the perpendicular from 0
    torch.testing.assert_close(MGDA(scale=1.0)(u, 5 * u), u)  # the shorter of two that agree
    torch.testing.assert_close(MGDA(scale=1.0)(u, -3 * u), torch.zeros(2))  # nothing descends both


@pytest.mark.parametrize("seed", range(12))
def test_opposes_neither_gradient_and_is_no_longer_than_either(seed):
    u, v = pair(seed)
    g = MGDA(scale=1.0)(u, v)
    squared = float(g @ g)
    assert float(g @ u) >= squared * (1 - 1e-9)
    assert float(g @ v) >= squared * (1 - 1e-9)
    assert g.norm() <= min(u.norm(), v.norm()) * (1 + 1e-9)


def test_equal_gradients_give_their_sum():
    u, _ = pair(0)
    torch.testing.assert_close(MGDA()(u, u), 2 * u)


@pytest.mark.parametrize("seed", range(8))
def test_in_conflict_the_direction_is_that_of_mmpareto(seed):
    u, v = pair(5 * seed + 2)  # of like length, where MMPareto's clamp of the weight does not act
    v = v if u @ v < 0 else -v
    assert float(cosine(MGDA()(u, v), MinNorm()(u, v))) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("zero", ["u", "v", "both"])
def test_a_loss_without_a_gradient_does_not_stop_the_other(zero):
    u, v = pair(0)
    u = torch.zeros_like(u) if zero in ("u", "both") else u
    v = torch.zeros_like(v) if zero in ("v", "both") else v
    assert torch.equal(MGDA()(u, v), u + v)


def test_leading_dimensions_are_separate_decisions():
    rows = [pair(seed) for seed in range(6)]
    u, v = (torch.stack(vectors).view(2, 3, 9) for vectors in zip(*rows, strict=True))
    expected = torch.stack([MGDA()(a, b) for a, b in rows]).view(2, 3, 9)
    torch.testing.assert_close(MGDA()(u, v), expected, rtol=1e-12, atol=1e-14)


def test_a_negative_scale_is_named():
    with pytest.raises(InputError, match=r"^scale: found"):
        MGDA(-1.0)
