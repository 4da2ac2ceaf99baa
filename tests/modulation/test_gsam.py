"""GSAM: closed form, geometry of the decomposition, and the GSAM of pytorch_optimizer."""

import copy
import math

import pytest
import torch
from pytorch_optimizer import GSAM
from pytorch_optimizer.lr_scheduler import ProportionScheduler

from bundle.errors import InputError
from bundle.modulation import GSAMAscent, SAMAscent, perturb, restore
from tests.modulation.test_sharpness_aware_steps import TwoEncoders, largest_difference

RHO, ALPHA, LR, STEPS = 0.05, 0.4, 0.05, 8


def blocks(seed=0, missing=()):
    """Parameters with g_p in `.grad`, and g; `missing` are (block, position, "first" or "second")."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"oct": [(3, 2, 2, 2, 2), (3,)], "fundus": [(4, 2)], "fusion": [(2, 2)]}
    params, first = {}, {}
    for block, of_block in shapes.items():
        params[block], first[block] = [], []
        for number, shape in enumerate(of_block):
            p = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64))
            g, g_p = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
            p.grad = None if (block, number, "second") in missing else g_p
            params[block].append(p)
            first[block].append(None if (block, number, "first") in missing else g)
    return params, first


def flat(blocks):
    """One vector of all gradients, of parameters or by themselves."""
    tensors = [t for of_block in blocks.values() for t in of_block]
    tensors = [t.grad if isinstance(t, torch.nn.Parameter) else t for t in tensors]
    return torch.cat([t.flatten() for t in tensors if t is not None])


def test_closed_form_of_a_quadratic():
    """L = (w1^2 + 10 w2^2) / 2, w = (1, .3), rho = .1: g = (1, 3), g_p = (1.0316228, 3.9486833)."""
    number = lambda value: torch.tensor([value], dtype=torch.float64)  # noqa: E731
    params = {"oct": [torch.nn.Parameter(number(1.0))], "fusion": [torch.nn.Parameter(number(0.3))]}
    first = {"oct": [number(1.0)], "fusion": [number(3.0)]}
    params["oct"][0].grad, params["fusion"][0].grad = number(1.0316228), number(3.9486833)
    assert GSAMAscent(0.1, alpha=0.5).finish(params, first)
    # <g, g_p> / |g_p|^2 = 12.8776727 / 16.6563454 = 0.7731391, across = (0.2024121, -0.0528816)
    assert flat(params).tolist() == pytest.approx([1.0316228 - 0.1012061, 3.9486833 + 0.0264408], abs=2e-7)


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0])
def test_only_the_part_across_the_perturbed_gradient_is_taken_off(alpha):
    params, first = blocks()
    g_p, g = flat(params), flat(first)
    GSAMAscent(RHO, alpha=alpha).finish(params, first)
    change = flat(params) - g_p
    assert float(change @ g_p) == pytest.approx(0, abs=1e-12 * float(g_p @ g_p))
    sine = math.sqrt(1 - float(g @ g_p) ** 2 / float((g @ g) * (g_p @ g_p)))
    assert float(change.norm()) == pytest.approx(alpha * float(g.norm()) * sine, rel=1e-10)
    assert float(change @ g) < 0


def test_alpha_zero_changes_no_bit():
    params, first = blocks()
    before = flat(params).clone()
    assert GSAMAscent(RHO, alpha=0.0).finish(params, first) is False
    assert torch.equal(flat(params), before)
    assert SAMAscent(RHO).finish(params, first) is False


def test_equal_gradients_stay_as_they_are():
    params, _ = blocks()
    first = {name: [p.grad.clone() for p in tensors] for name, tensors in params.items()}
    before = flat(params).clone()
    GSAMAscent(RHO, alpha=0.7).finish(params, first)
    torch.testing.assert_close(flat(params), before, rtol=1e-12, atol=0)


def test_a_missing_gradient_counts_as_zero_and_stays_missing():
    missing = {("oct", 0, "second"), ("fundus", 0, "first")}
    params, first = blocks(missing=missing)
    zeros, zero_first = blocks()
    zeros["oct"][0].grad.zero_()
    zero_first["fundus"][0].zero_()
    ascent = GSAMAscent(RHO, alpha=ALPHA)
    ascent.finish(params, first)
    ascent.finish(zeros, zero_first)
    assert params["oct"][0].grad is None
    for block, number in (("oct", 1), ("fundus", 0), ("fusion", 0)):
        torch.testing.assert_close(params[block][number].grad, zeros[block][number].grad, rtol=1e-12, atol=0)


def test_no_gradient_in_the_second_pass_or_a_zero_one_stays_finite():
    params, first = blocks()
    for p in (p for tensors in params.values() for p in tensors):
        p.grad.zero_()
    GSAMAscent(RHO, alpha=ALPHA).finish(params, first)
    assert bool(flat(params).isfinite().all())


def test_the_first_gradients_are_not_written_to():
    params, first = blocks()
    before = copy.deepcopy(first)
    GSAMAscent(RHO, alpha=ALPHA).finish(params, first)
    torch.testing.assert_close(first, before, rtol=0, atol=0)


def test_steps_with_a_schedule_equal_the_librarys():
    """Eight steps of SGD with momentum; rho follows the learning rate in both."""
    torch.manual_seed(1)
    ours, x = TwoEncoders(), {m: torch.randn(STEPS, 16, 4, dtype=torch.float64) for m in ("oct", "fundus")}
    y, theirs, start = torch.randn(STEPS, 16, 1, dtype=torch.float64), copy.deepcopy(ours), copy.deepcopy(ours)

    def loss(network, t):
        return (network({m: values[t] for m, values in x.items()}) - y[t]).square().mean()

    def base(network):
        optimizer = torch.optim.SGD(network.parameters(), lr=LR, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)

    optimizer, schedule = base(ours)
    for t in range(STEPS):
        ascent = GSAMAscent(RHO * optimizer.param_groups[0]["lr"] / LR, alpha=ALPHA)
        optimizer.zero_grad()
        loss(ours, t).backward()
        first = {b: [p.grad for p in ps] for b, ps in ours.blocks().items()}
        saved = perturb(ours.blocks(), ascent.eps(ours.blocks(), first, {})[0])
        optimizer.zero_grad()
        loss(ours, t).backward()
        restore(ours.blocks(), saved)
        ascent.finish(ours.blocks(), first)
        optimizer.step()
        schedule.step()

    optimizer, schedule = base(theirs)
    radius = ProportionScheduler(schedule, max_lr=LR, max_value=RHO, min_value=0.0)
    library = GSAM(theirs.parameters(), optimizer, theirs, radius, alpha=ALPHA)
    for t in range(STEPS):

        def closure(t=t):
            optimizer.zero_grad()
            with torch.enable_grad():
                value = loss(theirs, t)
            value.backward()
            return None, value

        library.step(closure)
        schedule.step()
        library.update_rho_t()
    assert largest_difference(ours, theirs) < 1e-8
    assert largest_difference(ours, start) > 1e-2


def test_a_negative_alpha_is_named():
    with pytest.raises(InputError, match=r"^alpha: found"):
        GSAMAscent(RHO, alpha=-0.1)
