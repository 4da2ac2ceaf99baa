"""Combiners against torchjd, closed forms and their guarantees."""

import pytest
import torch
from torchjd.aggregation import MGDA
from torchjd.aggregation import PCGrad as JdPCGrad

from bundle.errors import InputError
from bundle.modulation import MinNorm, OneSidedProjection, PCGrad, SumCombiner, cosine

COMBINERS = [SumCombiner(), OneSidedProjection(), OneSidedProjection(0.5), PCGrad(), MinNorm(), MinNorm(scale=1.0)]


def pair(seed, conflict):
    generator = torch.Generator().manual_seed(seed)
    u, v = torch.randn(2, 12, generator=generator, dtype=torch.float64)
    return (u, v) if (torch.dot(u, v) < 0) == conflict else (u, -v)


@pytest.mark.parametrize("seed", range(8))
def test_min_norm_direction_is_mgda(seed):
    u, v = pair(seed, conflict=True)
    mgda = MGDA(epsilon=1e-12, max_iters=1000)(torch.stack([u, v]))
    ours = MinNorm(scale=1.0)(u, v)
    assert cosine(ours, mgda).item() == pytest.approx(1, abs=1e-12)
    assert ours.norm() == pytest.approx(max((u + v).norm().item(), 2 * mgda.norm().item()), rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_min_norm_equals_the_closed_form_of_mmpareto(seed):
    u, v = pair(seed, conflict=True)
    w = min(max(float((v - u) @ v / ((v - u) @ (v - u))), 0.001), 0.999)
    new = 2 * w * u + 2 * (1 - w) * v
    new = new * max(1.0, float((u + v).norm() / new.norm()))
    torch.testing.assert_close(MinNorm()(u, v), 1.5 * new, rtol=1e-12, atol=0)


@pytest.mark.parametrize("seed", range(8))
def test_min_norm_opposes_neither_gradient(seed):
    u, v = pair(seed, conflict=True)
    g = MinNorm()(u, v)
    assert g @ u >= 0
    assert g @ v >= 0


def test_min_norm_weight_is_clamped_for_gradients_of_very_different_length():
    u, v = torch.tensor([1.0, 0.0]), torch.tensor([-1e6, 1e3])
    w = 0.999
    new = 2 * w * u + 2 * (1 - w) * v
    torch.testing.assert_close(cosine(MinNorm()(u, v), new), torch.tensor(1.0))
    torch.testing.assert_close(MinNorm(scale=1.0)(u, v).norm(), (u + v).norm())


@pytest.mark.parametrize("seed", range(4))
def test_min_norm_without_conflict_is_one_and_a_half_times_the_sum(seed):
    u, v = pair(seed, conflict=False)
    torch.testing.assert_close(MinNorm()(u, v), 1.5 * (u + v))


@pytest.mark.parametrize("conflict", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_pcgrad_is_torchjds(seed, conflict):
    u, v = pair(seed, conflict)
    torch.testing.assert_close(PCGrad()(u, v), JdPCGrad()(torch.stack([u, v])), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_one_sided_projection_keeps_the_descent_of_the_fused_loss(seed):
    u, v = pair(seed, conflict=bool(seed % 2))
    g = OneSidedProjection()(u, v)
    assert g @ u >= u @ u - 1e-12
    # What is left of v is what does not point against u.
    assert (g - u) @ u == pytest.approx(max(0.0, float(u @ v)), abs=1e-12)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_one_sided_projection_equals_its_formula(strength):
    u, v = pair(0, conflict=True)
    expected = u + v - strength * min(0.0, float(u @ v)) / float(u @ u) * u
    torch.testing.assert_close(OneSidedProjection(strength)(u, v), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("combiner", [OneSidedProjection(), PCGrad(), MinNorm(scale=1.0)])
def test_without_conflict_every_combiner_is_the_sum(combiner):
    u, v = pair(1, conflict=False)
    assert torch.equal(combiner(u, v), SumCombiner()(u, v))


@pytest.mark.parametrize("combiner", COMBINERS)
@pytest.mark.parametrize("zero", ["u", "v", "both"])
def test_a_zero_gradient_gives_the_plain_sum(combiner, zero):
    u, v = pair(0, conflict=True)
    u = torch.zeros_like(u) if zero in ("u", "both") else u
    v = torch.zeros_like(v) if zero in ("v", "both") else v
    torch.testing.assert_close(combiner(u, v), getattr(combiner, "scale", 1.0) * (u + v), rtol=0, atol=0)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_opposite_gradients_stay_finite(combiner):
    u, _ = pair(0, conflict=True)
    assert combiner(u, -u).isfinite().all()


@pytest.mark.parametrize("combiner", COMBINERS)
def test_leading_dimensions_are_separate_decisions(combiner):
    rows = [pair(seed, conflict=bool(seed % 2)) for seed in range(6)]
    u, v = (torch.stack(vectors).view(2, 3, 12) for vectors in zip(*rows, strict=True))
    expected = torch.stack([combiner(a, b) for a, b in rows]).view(2, 3, 12)
    torch.testing.assert_close(combiner(u, v), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_bfloat16_is_combined_in_float32(combiner):
    u, v = (t.to(torch.bfloat16) for t in pair(0, conflict=True))
    assert torch.equal(combiner(u, v), combiner(u.float(), v.float()).to(torch.bfloat16))


@pytest.mark.parametrize("combiner", COMBINERS)
def test_shapes_that_would_broadcast_are_refused(combiner):
    with pytest.raises(ValueError, match="expected that of u"):
        combiner(torch.ones(3, 4), torch.ones(4))


def test_cosine_by_hand():
    u = torch.tensor([[1.0, 0.0], [2.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    v = torch.tensor([[0.0, 3.0], [-5.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert cosine(u, v).tolist() == pytest.approx([0.0, -1.0, 0.5**0.5, 0.0])


def test_a_strength_or_scale_outside_its_range_is_named():
    with pytest.raises(InputError, match="strength"):
        OneSidedProjection(1.5)
    with pytest.raises(InputError, match="scale"):
        MinNorm(-1.0)
