"""LookSAM: the formula in numpy, a library on one tensor, limiting cases, and state."""

import math

import numpy as np
import pytest
import torch
from pytorch_optimizer import LookSAM

from bundle.errors import InputError
from bundle.modulation import LookAheadReuse, SAMAscent, perturb, restore

RHO, LR, STRENGTH = 0.1, 0.05, 0.7
CURVATURE = {"oct": [1.0], "fusion": [10.0]}
START = {"oct": [1.0], "fusion": [0.3]}


def quadratic(curvature=CURVATURE, start=START, dtype=torch.float64):
    """Blocks of parameters, and the function that puts the gradient of 1/2 sum c w^2 into `.grad`."""
    blocks = {name: [torch.nn.Parameter(torch.tensor(values, dtype=dtype))] for name, values in start.items()}

    def differentiate():
        for name, (p,) in blocks.items():
            p.grad = torch.tensor(curvature[name], dtype=dtype) * p.detach()

    return blocks, differentiate


def step(look, blocks, differentiate, lr=LR):
    """One step as the trainer makes it; returns the gradients at w."""
    differentiate()
    first = {name: [None if p.grad is None else p.grad.clone() for p in block] for name, block in blocks.items()}
    if look.due:
        saved = perturb(blocks, SAMAscent(RHO).eps(blocks, first, {})[0])
        differentiate()
        restore(blocks, saved)
        look.keep(blocks, first)
    else:
        look.add(blocks)
    with torch.no_grad():
        for p in (p for block in blocks.values() for p in block if p.grad is not None):
            p.sub_(p.grad, alpha=lr)
    return first


def values(blocks):
    return torch.cat([p.detach().flatten() for block in blocks.values() for p in block]).numpy()


def numpy_steps(n, every, strength=STRENGTH):
    w, curvature, path = np.array([1.0, 0.3]), np.array([1.0, 10.0]), []
    across = None
    for t in range(n):
        g = curvature * w
        if t % every == 0:
            sharp = curvature * (w + RHO * g / np.linalg.norm(g))
            across = sharp - (sharp @ g) / (g @ g) * g
            w = w - LR * sharp
        else:
            w = w - LR * (g + strength * np.linalg.norm(g) / np.linalg.norm(across) * across)
        path.append(w)
    return np.array(path)


def test_six_steps_on_a_quadratic():
    """Two blocks, one projection over both, a second pass in steps 0 and 3."""
    (blocks, differentiate), look = quadratic(), LookAheadReuse(3, STRENGTH, per_block=False)
    second_passes, path = [], []
    for _ in range(6):
        second_passes.append(look.due)
        step(look, blocks, differentiate)
        path.append(values(blocks))
    assert second_passes == [True, False, False, True, False, False]
    np.testing.assert_allclose(path, numpy_steps(6, 3), rtol=1e-12)
    assert np.abs(numpy_steps(6, 3) - numpy_steps(6, 3, strength=0.0)).max() > 1e-3


def test_one_block_per_block_is_one_projection_over_all():
    runs = []
    for per_block in (True, False):
        blocks, differentiate = quadratic({"oct": [1.0, 10.0, 3.0]}, {"oct": [1.0, 0.3, -0.5]})
        look = LookAheadReuse(3, STRENGTH, per_block)
        for _ in range(6):
            step(look, blocks, differentiate)
        runs.append(values(blocks))
    assert np.array_equal(*runs)


def test_per_block_is_each_block_alone():
    """With the gradient and residual of a block the other block has no say."""
    curvature, start = {"oct": [1.0, 9.0], "fusion": [4.0, 2.0]}, {"oct": [1.0, 0.3], "fusion": [-2.0, 0.5]}
    blocks, differentiate = quadratic(curvature, start)
    look = LookAheadReuse(2, STRENGTH, per_block=True)
    step(look, blocks, differentiate)
    w = {name: p[0].detach().numpy().copy() for name, p in blocks.items()}
    residual = {name: v[0].numpy() for name, v in look.residual.items()}
    step(look, blocks, differentiate)
    for name, (p,) in blocks.items():
        g, v = np.array(curvature[name]) * w[name], residual[name]
        expected = w[name] - LR * (g + STRENGTH * np.linalg.norm(g) / np.linalg.norm(v) * v)
        np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-12)


def test_on_one_tensor_it_is_the_librarys():
    """That library works tensor by tensor, so a network of one tensor is where both agree."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((9, 16, 4), (9, 16)))
    ours, theirs = (torch.nn.Parameter(torch.ones(4, dtype=torch.float64)) for _ in range(2))
    optimizer = torch.optim.SGD([ours], lr=LR, momentum=0.9)
    library = LookSAM([theirs], torch.optim.SGD, rho=RHO, k=3, alpha=STRENGTH, use_gc=False, lr=LR, momentum=0.9)
    look, blocks = LookAheadReuse(3, STRENGTH), {"fusion": [ours]}
    for t in range(9):

        def differentiate(w, t=t):
            w.grad = None
            (x[t] @ w - y[t]).square().mean().backward()

        step(look, blocks, lambda: differentiate(ours), lr=0.0)
        optimizer.step()
        differentiate(theirs)
        full = library.get_step() % 3 == 0
        library.first_step(zero_grad=full)
        if full:
            differentiate(theirs)
        library.second_step(zero_grad=True)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)  # theirs adds 1e-8 to norms
    assert float((ours.detach() - 1).abs().max()) > 0.1


@pytest.mark.parametrize("per_block", [True, False])
def test_the_residual_lies_across_the_gradient(per_block):
    curvature, start = {"oct": [1.0, 9.0], "fusion": [4.0, 2.0]}, {"oct": [1.0, 0.3], "fusion": [-2.0, 0.5]}
    blocks, differentiate = quadratic(curvature, start)
    look = LookAheadReuse(2, per_block=per_block)
    g = step(look, blocks, differentiate)
    products = [float((look.residual[name][0] * g[name][0]).sum()) for name in blocks]
    length = math.sqrt(sum(float(look.residual[name][0].square().sum()) for name in blocks))
    assert length > 1e-3
    assert sum(products) == pytest.approx(0, abs=1e-12)
    assert (max(map(abs, products)) < 1e-12) == per_block


def test_strength_zero_makes_plain_steps_in_between():
    (blocks, differentiate), look = quadratic(), LookAheadReuse(3, 0.0, per_block=False)
    step(look, blocks, differentiate)
    for _ in range(2):
        before = values(blocks)
        step(look, blocks, differentiate)
        np.testing.assert_allclose(values(blocks), before - LR * np.array([1.0, 10.0]) * before, rtol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_residual_of_rounding_error_is_none(dtype):
    """In a block of one number the second gradient has no part across the first: steps in between are plain."""
    blocks, differentiate = quadratic(dtype=dtype)
    look = LookAheadReuse(3, STRENGTH, per_block=True)
    step(look, blocks, differentiate)
    before = values(blocks)
    step(look, blocks, differentiate)
    np.testing.assert_allclose(values(blocks), before - LR * np.array([1.0, 10.0]) * before, rtol=1e-6)


@pytest.mark.parametrize("per_block", [True, False])
def test_a_parameter_without_a_gradient_is_left_alone(per_block):
    blocks, _ = quadratic()
    blocks["oct"].append(torch.nn.Parameter(torch.tensor([7.0], dtype=torch.float64)))
    alone, differentiate_alone = quadratic()

    def without():
        for p in (p for block in blocks.values() for p in block):
            p.grad = None
        for name, (p, *_) in blocks.items():
            p.grad = torch.tensor(CURVATURE[name], dtype=torch.float64) * p.detach()

    looks = [LookAheadReuse(3, STRENGTH, per_block) for _ in range(2)]
    for _ in range(4):
        step(looks[0], blocks, without)
        step(looks[1], alone, differentiate_alone)
    assert blocks["oct"][1].item() == 7.0
    assert blocks["oct"][1].grad is None
    assert [blocks[name][0].item() for name in alone] == [alone[name][0].item() for name in alone]


def test_a_gradient_in_one_pass_only_keeps_the_rest_across():
    """Without one at w + eps: no residual, and no part in the projection. Without one at w: all of it is kept."""
    blocks, _ = quadratic({"oct": [1.0, 1.0]}, {"oct": [1.0, 1.0]})
    blocks["oct"] += [torch.nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2)]
    w = [torch.tensor(v, dtype=torch.float64) for v in ([2.0, 1.0], [5.0], [3.0])]
    blocks["oct"][0].grad, blocks["oct"][2].grad = w[0], w[2]
    look, g = LookAheadReuse(2), torch.tensor([1.0, 0.0], dtype=torch.float64)
    kept = look.keep(blocks, {"oct": [g, w[1], None]})
    assert kept["oct"][0].tolist() == [0.0, 1.0]
    assert kept["oct"][1] is None
    assert kept["oct"][2].tolist() == [3.0]


def test_every_one_keeps_nothing_and_is_always_due():
    (blocks, differentiate), look = quadratic(), LookAheadReuse()
    for _ in range(3):
        assert look.due
        step(look, blocks, differentiate)
    assert look.residual == {}


def test_save_load_go_on_equals_never_stopped():
    runs = []
    for stop in (None, 4):
        (blocks, differentiate), look = quadratic(), LookAheadReuse(3, STRENGTH, per_block=False)
        for t in range(8):
            if t == stop:
                state = look.state_dict()
                look = LookAheadReuse(3, STRENGTH, per_block=False)
                look.load_state_dict(state)
            step(look, blocks, differentiate)
        runs.append(values(blocks))
    assert np.array_equal(*runs)


def test_a_state_of_something_else_is_refused():
    with pytest.raises(InputError, match="LookAheadReuse: found the keys"):
        LookAheadReuse().load_state_dict({"values": {}})


@pytest.mark.parametrize("every", [0, -1, 1.5, math.inf, math.nan, True, "3", None])
def test_a_number_of_steps_that_is_none_is_named(every):
    with pytest.raises(InputError, match=r"^every: found"):
        LookAheadReuse(every)
