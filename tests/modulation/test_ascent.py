"""Ascent rules against closed forms and their invariants."""

import math

import pytest
import torch

from bundle.errors import InputError
from bundle.modulation import ModalityBudgetAscent, NoAscent, SAMAscent

BLOCKS = {"oct": [(3, 2), (3,)], "fundus": [(4,)], "fusion": [(2, 2), (2,)]}


def gradients(seed=0, blocks=BLOCKS, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: [torch.randn(shape, generator=generator, dtype=dtype) * 10 ** (seed % 5 - 2) for shape in shapes]
        for name, shapes in blocks.items()
    }


def zeros_like(blocks):
    return {name: [torch.zeros_like(t) for t in tensors] for name, tensors in blocks.items()}


def length(tensors):
    return math.sqrt(sum(float(t.double().square().sum()) for t in tensors if t is not None))


def total_length(eps):
    return math.hypot(*(length(tensors) for tensors in eps.values()))


def test_closed_form_of_a_quadratic():
    """L = (w1^2 + 10 w2^2) / 2 at w = (1, .3), rho = .1."""
    w = torch.tensor([1.0, 0.3], dtype=torch.float64)
    curvature = torch.tensor([1.0, 10.0], dtype=torch.float64)
    eps, _ = SAMAscent(0.1).eps({"fusion": [w]}, {"fusion": [curvature * w]}, {})
    (step,) = eps["fusion"]
    assert step.tolist() == pytest.approx([0.0316228, 0.0948683], abs=1e-7)
    assert (curvature * (w + step)).tolist() == pytest.approx([1.0316228, 3.9486833], abs=1e-7)
    rise = (curvature * ((w + step) ** 2 - w**2)).sum() / 2
    assert rise.item() == pytest.approx(0.3617278, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "ascent",
    [
        SAMAscent(0.07),
        ModalityBudgetAscent(0.07),
        ModalityBudgetAscent(0.07, equalize=1.0, sharpness_power=0.7),
        ModalityBudgetAscent(0.07, equalize=0.2, fusion_share=0.4),
        ModalityBudgetAscent(0.07, fusion_share=0.0),
        ModalityBudgetAscent(0.07, fusion_share=1.0),
    ],
)
def test_length_of_the_perturbation_is_rho(ascent, seed):
    g = gradients(seed)
    eps, shares = ascent.eps(zeros_like(g), g, {"oct": 3.0, "fundus": 0.2})
    assert total_length(eps) == pytest.approx(0.07, rel=1e-12)
    for name in g:
        assert length(eps[name]) == pytest.approx(0.07 * shares[name], rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_each_block_moves_along_its_own_gradient(seed):
    g = gradients(seed)
    eps, shares = ModalityBudgetAscent(0.1).eps(zeros_like(g), g, {})
    for name, tensors in g.items():
        for e, gradient in zip(eps[name], tensors, strict=True):
            torch.testing.assert_close(e, 0.1 * shares[name] / length(tensors) * gradient, rtol=1e-12, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_equalize_zero_is_sam(seed):
    g = gradients(seed)
    ours, our_shares = ModalityBudgetAscent(0.1, equalize=0.0).eps(zeros_like(g), g, {"oct": 9.0, "fundus": 0.1})
    sam, sam_shares = SAMAscent(0.1).eps(zeros_like(g), g, {})
    assert our_shares == pytest.approx(sam_shares, rel=1e-12)
    torch.testing.assert_close(ours, sam, rtol=1e-12, atol=0)


@pytest.mark.parametrize("equalize", [0.0, 0.3, 1.0])
def test_one_modality_is_sam_for_every_setting(equalize):
    g = gradients(blocks={"oct": [(3, 2)], "fusion": [(2,)]})
    ours, _ = ModalityBudgetAscent(0.1, equalize=equalize, sharpness_power=0.8).eps(zeros_like(g), g, {"oct": 5.0})
    sam, _ = SAMAscent(0.1).eps(zeros_like(g), g, {})
    torch.testing.assert_close(ours, sam, rtol=1e-12, atol=0)


def test_equalize_one_gives_equal_budgets():
    g = gradients()
    eps, shares = ModalityBudgetAscent(0.1, equalize=1.0).eps(zeros_like(g), g, {})
    a_phi = length(g["fusion"]) / total_length(g)
    expected = 0.1 * math.sqrt((1 - a_phi**2) / 2)
    assert shares["fusion"] == pytest.approx(a_phi, rel=1e-12)
    assert length(eps["oct"]) == pytest.approx(expected, rel=1e-12)
    assert length(eps["fundus"]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("equalize", "power"), [(0.5, 0.0), (0.5, 1.0), (1.0, 0.5)])
def test_ratio_of_budgets_follows_gradient_norm_and_sharpness(equalize, power):
    g = gradients()
    sharpness = {"oct": 3.0, "fundus": 0.5}
    _, shares = ModalityBudgetAscent(0.1, equalize=equalize, sharpness_power=power).eps(zeros_like(g), g, sharpness)
    expected = (length(g["oct"]) / length(g["fundus"])) ** (1 - equalize) * 6.0**power
    assert shares["oct"] / shares["fundus"] == pytest.approx(expected, rel=1e-12)


def test_fusion_share_by_hand_is_kept():
    g = gradients()
    _, shares = ModalityBudgetAscent(0.1, fusion_share=0.25).eps(zeros_like(g), g, {})
    assert shares["fusion"] == 0.25
    assert math.hypot(shares["oct"], shares["fundus"]) == pytest.approx(math.sqrt(1 - 0.25**2))


@pytest.mark.parametrize("equalize", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("missing", ["none", "zero"])
@pytest.mark.parametrize("dead", [("oct",), ("fusion",), ("oct", "fusion"), ("oct", "fundus")])
def test_a_block_without_gradient_leaves_its_share_to_the_others(equalize, missing, dead):
    g = gradients()
    for name in dead:
        g[name] = [None if missing == "none" else torch.zeros_like(t) for t in g[name]]
    params = zeros_like(gradients())
    for fusion_share in (None, 0.0, 0.3):
        ascent = ModalityBudgetAscent(0.1, equalize=equalize, fusion_share=fusion_share)
        eps, shares = ascent.eps(params, g, {})
        assert total_length(eps) == pytest.approx(0.1, rel=1e-12)
        for name in dead:
            assert shares[name] == 0
            assert eps[name] == [None] * len(params[name])


def test_no_gradient_at_all_perturbs_nothing():
    params = zeros_like(gradients())
    for ascent in (SAMAscent(0.1), ModalityBudgetAscent(0.1)):
        eps, shares = ascent.eps(params, params, {})
        assert set(shares.values()) == {0.0}
        assert all(e is None for tensors in eps.values() for e in tensors)


def test_a_parameter_without_gradient_stays_where_it_is():
    g = gradients()
    g["oct"][1] = None
    eps, _ = SAMAscent(0.1).eps(zeros_like(gradients()), g, {})
    assert eps["oct"][1] is None
    assert eps["oct"][0] is not None


def test_sharpness_zero_absent_or_nan_keeps_the_length():
    g = gradients()
    for sharpness in ({}, {"oct": 0.0, "fundus": 0.0}, {"oct": 0.0, "fundus": 2.0}, {"oct": math.nan, "fundus": 2.0}):
        eps, _ = ModalityBudgetAscent(0.1, sharpness_power=1.0).eps(zeros_like(g), g, sharpness)
        assert total_length(eps) == pytest.approx(0.1, rel=1e-12)


def test_rho_may_change_between_steps_and_zero_perturbs_nothing():
    g = gradients()
    ascent = ModalityBudgetAscent(0.1)
    ascent.rho = 0.0
    eps, shares = ascent.eps(zeros_like(g), g, {})
    assert all(e is None for tensors in eps.values() for e in tensors)
    assert math.hypot(*shares.values()) == pytest.approx(1)
    ascent.rho = 0.2
    assert total_length(ascent.eps(zeros_like(g), g, {})[0]) == pytest.approx(0.2)


def test_no_ascent_perturbs_nothing():
    g = gradients()
    eps, shares = NoAscent().eps(zeros_like(g), g, {})
    assert NoAscent().rho == 0
    assert all(e is None for tensors in eps.values() for e in tensors)
    assert shares == {"oct": 0.0, "fundus": 0.0, "fusion": 0.0}


def test_half_precision_gradients_have_float32_norms():
    g = {"oct": [torch.full((1000,), 60.0, dtype=torch.float16)], "fusion": [torch.ones(2, dtype=torch.bfloat16)]}
    eps, _ = SAMAscent(0.1).eps(zeros_like(g), g, {})
    assert eps["oct"][0].dtype == torch.float16
    assert total_length(eps) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("ascent", [SAMAscent(0.1), ModalityBudgetAscent(0.1, equalize=1.0, fusion_share=0.1)])
def test_a_gradient_that_is_not_finite_shows_in_every_share(ascent, bad):
    g = gradients()
    g["fundus"][0][0] = bad
    _, shares = ascent.eps(zeros_like(g), g, {})
    assert all(math.isnan(a) for a in shares.values())


@pytest.mark.parametrize(
    ("name", "value"), [("rho", -0.1), ("equalize", 1.5), ("fusion_share", -0.1), ("sharpness_power", math.nan)]
)
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        ModalityBudgetAscent(**{"rho": 0.1} | {name: value})
