"""ASAM: closed form, invariance to the scale of layers, and the adaptive SAM of pytorch_optimizer."""

import copy
import math

import pytest
import torch
from pytorch_optimizer import SAM
from torch import nn

from bundle.errors import InputError
from bundle.modulation import ASAMAscent, SAMAscent, perturb, restore

RHO = 0.3


def blocks(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"oct": [(3, 2, 2, 2, 2), (3,)], "fundus": [(4, 2)], "fusion": [(2, 2), (2,)]}
    draw = lambda shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return ({b: [draw(s) for s in ss] for b, ss in shapes.items()} for _ in range(2))


def size(w, eta):
    return w.abs() + eta if w.ndim > 1 else torch.ones_like(w)


def test_closed_form_of_a_quadratic():
    """L = (w1^2 + 10 w2^2) / 2 at w = (1, .3), rho = .1, eta = 0: T g = (1, .9), eps = .1 (1, .27) / |(1, .9)|."""
    w = torch.tensor([[1.0, 0.3]], dtype=torch.float64)
    g = torch.tensor([[1.0, 10.0]], dtype=torch.float64) * w
    eps, shares = ASAMAscent(0.1, eta=0.0).eps({"fusion": [w]}, {"fusion": [g]}, {})
    length = math.sqrt(1.81)
    assert eps["fusion"][0].flatten().tolist() == pytest.approx([0.1 / length, 0.027 / length], rel=1e-12)
    assert shares == pytest.approx({"fusion": 1.0})


@pytest.mark.parametrize("eta", [0.0, 0.01, 0.5])
def test_equals_its_formula_over_all_blocks(eta):
    params, grads = blocks()
    total = math.sqrt(sum(float((size(w, eta) * g).square().sum()) for b in params
                          for w, g in zip(params[b], grads[b], strict=True)))  # fmt: skip
    eps, shares = ASAMAscent(RHO, eta=eta).eps(params, grads, {})
    for b in params:
        part = 0.0
        for e, w, g in zip(eps[b], params[b], grads[b], strict=True):
            torch.testing.assert_close(e, RHO * size(w, eta) ** 2 * g / total, rtol=1e-12, atol=0)
            part += float((e / size(w, eta)).square().sum())
        assert math.sqrt(part) == pytest.approx(RHO * shares[b], rel=1e-12)
    assert math.hypot(*shares.values()) == pytest.approx(1)


def test_one_axis_alone_is_plain_sam():
    params = {"fusion": [torch.tensor([2.0, -3.0])]}
    grads = {"fusion": [torch.tensor([0.1, 0.4])]}
    torch.testing.assert_close(ASAMAscent(RHO).eps(params, grads, {}), SAMAscent(RHO).eps(params, grads, {}))


def test_scaling_a_layer_scales_its_step():
    """w -> c w with g -> g / c is the same function: eps must become c eps. Plain SAM's would not."""
    params, grads = blocks()
    before, _ = ASAMAscent(RHO, eta=0.0).eps(params, grads, {})
    plain, _ = SAMAscent(RHO).eps(params, grads, {})
    params["fundus"] = [7 * w for w in params["fundus"]]
    grads["fundus"] = [g / 7 for g in grads["fundus"]]
    after, _ = ASAMAscent(RHO, eta=0.0).eps(params, grads, {})
    torch.testing.assert_close(after["fundus"], [7 * e for e in before["fundus"]], rtol=1e-12, atol=0)
    torch.testing.assert_close(after["oct"], before["oct"], rtol=1e-12, atol=0)
    plain_after, _ = SAMAscent(RHO).eps(params, grads, {})
    assert not torch.allclose(plain_after["fundus"][0], 7 * plain["fundus"][0])


def test_whole_steps_equal_the_librarys_adaptive_sam():
    """Without biases and eta: that library scales biases too and has no eta."""
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(4, 6, bias=False), nn.Tanh(), nn.Linear(6, 1, bias=False)).double()
    theirs = copy.deepcopy(ours)
    start = copy.deepcopy(ours)
    x, y = torch.randn(8, 16, 4, dtype=torch.float64), torch.randn(8, 16, 1, dtype=torch.float64)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.05, momentum=0.9)
    params = {"fusion": list(ours.parameters())}
    library = SAM(theirs.parameters(), torch.optim.SGD, rho=RHO, adaptive=True, lr=0.05, momentum=0.9)
    for batch, label in zip(x, y, strict=True):
        optimizer.zero_grad()
        (ours(batch) - label).square().mean().backward()
        eps, _ = ASAMAscent(RHO, eta=0.0).eps(params, {"fusion": [p.grad for p in params["fusion"]]}, {})
        saved = perturb(params, eps)
        optimizer.zero_grad()
        (ours(batch) - label).square().mean().backward()
        restore(params, saved)
        optimizer.step()
        for step in (library.first_step, library.second_step):
            (theirs(batch) - label).square().mean().backward()
            step(zero_grad=True)
    for w, expected, old in zip(ours.parameters(), theirs.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(w, expected, rtol=0, atol=1e-8)  # theirs adds 1e-12 to the norm
        assert float((w - old).abs().max()) > 1e-2


def test_a_parameter_without_gradient_stays_where_it_is():
    params, grads = blocks()
    grads["oct"][0] = None
    eps, _ = ASAMAscent(RHO).eps(params, grads, {})
    assert eps["oct"][0] is None
    assert eps["oct"][1] is not None


def test_weights_and_gradients_are_not_written_to():
    params, grads = blocks()
    before = copy.deepcopy((params, grads))
    ASAMAscent(RHO).eps(params, grads, {})
    torch.testing.assert_close((params, grads), before, rtol=0, atol=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_shows_in_every_share(bad):
    params, grads = blocks()
    grads["fundus"][0][0, 0] = bad
    _, shares = ASAMAscent(RHO).eps(params, grads, {})
    assert all(math.isnan(a) for a in shares.values())


def test_rho_zero_perturbs_nothing():
    params, grads = blocks()
    eps, _ = ASAMAscent(0.0).eps(params, grads, {})
    assert all(e is None for tensors in eps.values() for e in tensors)


@pytest.mark.parametrize("setting", [{"rho": -0.1}, {"eta": -0.01}])
def test_an_argument_outside_its_range_is_named(setting):
    with pytest.raises(InputError, match=f"^{next(iter(setting))}: found"):
        ASAMAscent(**({"rho": 0.1} | setting))
