"""CAGrad for two gradients against a convex solver on its primal problem, torchjd where it can solve, and limits."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from bundle.errors import InputError
from bundle.modulation import CAGrad


def pair(seed):
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.randn(2, 9, generator=generator, dtype=torch.float64)
    return u, v * 10 ** (seed % 3 - 1)


def worse_off(d, u, v):
    """min(<d, u>, <d, v>), what CAGrad maximises."""
    return min(float(d @ u), float(d @ v))


@pytest.mark.parametrize("c", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("seed", range(9))
def test_minimises_the_dual(seed, c):
    u, v = (t.numpy() for t in pair(seed))
    mean = (u + v) / 2
    radius = c * np.linalg.norm(mean)

    def mix(w):
        return w * u + (1 - w) * v

    def dual(w):
        return mix(w) @ mean + radius * np.linalg.norm(mix(w))

    inside = minimize_scalar(dual, bounds=(0, 1), method="bounded", options={"xatol": 1e-12}).x
    w = min((inside, 0.0, 1.0), key=dual)
    expected = mean + radius * mix(w) / np.linalg.norm(mix(w))
    d = CAGrad(c, scale=1.0)(*pair(seed)).numpy()
    np.testing.assert_allclose(d, expected, rtol=1e-4, atol=1e-5 * np.linalg.norm(mean))


@pytest.mark.parametrize("seed", range(9))
def test_no_direction_in_the_ball_helps_the_worse_off_loss_more(seed):
    u, v = pair(seed)
    mean, d = (u + v) / 2, CAGrad(0.5, scale=1.0)(u, v)
    radius = 0.5 * float(mean.norm())
    assert float((d - mean).norm()) == pytest.approx(radius, rel=1e-9)
    generator = torch.Generator().manual_seed(seed)
    best = worse_off(d, u, v)
    for _ in range(500):
        # Along the best direction and beside it: u and v span all that matters.
        a, b = torch.randn(2, generator=generator, dtype=torch.float64)
        direction = a * u + b * v
        other = mean + radius * direction / direction.norm()
        assert worse_off(other, u, v) <= best + 1e-9 * abs(best)


@pytest.mark.parametrize("seed", range(9))
def test_is_torchjds(seed):
    pytest.importorskip("cvxpy", reason="torchjd solves CAGrad with cvxpy")
    aggregation = pytest.importorskip("torchjd.aggregation")
    u, v = pair(seed)
    expected = aggregation.CAGrad(0.4)(torch.stack([u, v]))
    torch.testing.assert_close(CAGrad(0.4, scale=1.0)(u, v), expected, rtol=1e-3, atol=1e-3 * float(expected.norm()))


def test_hand_value():
    """Perpendicular gradients of one length: the mean is their bisector, and the step goes along it."""
    u, v = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(CAGrad(0.4, scale=1.0)(u, v), 1.4 * torch.tensor([0.5, 0.5]))


def test_c_zero_is_the_sum():
    u, v = pair(0)
    torch.testing.assert_close(CAGrad(0.0)(u, v), u + v)


def test_equal_gradients_are_lengthened_by_the_radius():
    u, _ = pair(0)
    torch.testing.assert_close(CAGrad(0.4)(u, u), 2 * 1.4 * u)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("sign", [-1, 1])
def test_parallel_and_opposite_gradients_stay_finite(factor, sign):
    u, _ = pair(0)
    g = CAGrad()(u, sign * factor * u)
    total = u + sign * factor * u
    assert g.isfinite().all()
    assert float((g - total).norm()) <= 0.4 * float(total.norm()) * (1 + 1e-9)


@pytest.mark.parametrize("zero", ["u", "v", "both"])
def test_a_loss_without_a_gradient_gives_the_plain_sum(zero):
    u, v = pair(0)
    u = torch.zeros_like(u) if zero in ("u", "both") else u
    v = torch.zeros_like(v) if zero in ("v", "both") else v
    torch.testing.assert_close(CAGrad()(u, v), u + v, rtol=1e-12, atol=0)


def test_leading_dimensions_are_separate_decisions():
    rows = [pair(seed) for seed in range(6)]
    u, v = (torch.stack(vectors).view(2, 3, 9) for vectors in zip(*rows, strict=True))
    expected = torch.stack([CAGrad()(a, b) for a, b in rows]).view(2, 3, 9)
    torch.testing.assert_close(CAGrad()(u, v), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "value"), [("c", 1.0), ("scale", -1.0)])
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        CAGrad(**{name: value})
