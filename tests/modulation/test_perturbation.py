"""Perturb and restore, bit for bit."""

import pytest
import torch

from bundle.modulation import perturb, perturbed, restore


@pytest.fixture
def params():
    generator = torch.Generator().manual_seed(0)
    return {
        "oct": [torch.nn.Parameter(torch.randn(5, 3, generator=generator)) for _ in range(2)],
        "fusion": [torch.nn.Parameter(1e8 * torch.randn(4, generator=generator))],
    }


@pytest.fixture
def eps(params):
    return {"oct": [torch.full((5, 3), 0.123), None], "fusion": [torch.full((4,), 0.3)]}


def copies(params):
    return {name: [p.detach().clone() for p in tensors] for name, tensors in params.items()}


def same_bits(params, before):
    return all(torch.equal(p, b) for name in params for p, b in zip(params[name], before[name], strict=True))


def test_perturb_adds_eps_and_restore_takes_it_back_bit_for_bit(params, eps):
    before = copies(params)
    saved = perturb(params, eps)
    assert torch.equal(params["oct"][0], before["oct"][0] + eps["oct"][0])
    restore(params, saved)
    assert same_bits(params, before)


def test_subtraction_would_not_have_restored(params, eps):
    """Why the copies are needed: the fixture's step is lost in rounding."""
    before = copies(params)
    perturb(params, eps)
    with torch.no_grad():
        for name, tensors in params.items():
            for p, e in zip(tensors, eps[name], strict=True):
                p.sub_(0 if e is None else e)
    assert not same_bits(params, before)


def test_a_parameter_without_eps_is_neither_copied_moved_nor_rolled_back(params, eps):
    saved = perturb(params, eps)
    assert saved["oct"][1] is None
    with torch.no_grad():
        params["oct"][1].fill_(7.0)
    restore(params, saved)
    assert (params["oct"][1] == 7.0).all()


def test_parameters_stay_the_same_objects_and_keep_their_gradients(params, eps):
    p = params["oct"][0]
    p.grad = torch.ones_like(p)
    address = p.data_ptr()
    restore(params, perturb(params, eps))
    assert p.data_ptr() == address
    assert torch.equal(p.grad, torch.ones_like(p))


def test_a_nan_step_is_restored_too(params, eps):
    before = copies(params)
    eps["oct"][0].fill_(float("nan"))
    restore(params, perturb(params, eps))
    assert same_bits(params, before)


def test_context_restores_after_an_exception(params, eps):
    before = copies(params)
    inside = {}

    def second_pass():
        with perturbed(params, eps):
            inside.update(copies(params))
            raise RuntimeError("second pass failed")

    with pytest.raises(RuntimeError, match="second pass"):
        second_pass()
    assert not same_bits(params, inside)
    assert same_bits(params, before)


def test_a_parameter_in_two_blocks_is_refused_before_anything_moves(params, eps):
    params["fusion"].append(params["oct"][0])
    eps["fusion"].append(torch.ones(5, 3))
    before = copies(params)
    with pytest.raises(ValueError, match="twice"):
        perturb(params, eps)
    assert same_bits(params, before)


@pytest.mark.parametrize("wrong", [{"oct": [None, None]}, {"oct": [None], "fusion": [None]}])
def test_another_structure_is_refused(params, wrong):
    with pytest.raises(ValueError, match="structure"):
        perturb(params, wrong)
