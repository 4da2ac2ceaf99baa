"""Soft reset: hand value, its two ends bit for bit, buffers, moments and Adam's count of steps."""

import copy
import math

import pytest
import torch
from torch import nn

from bundle.modulation.soft_reset import soft_reset

MAKERS = {
    "sgd": lambda ps: torch.optim.SGD(ps, lr=1e-3, momentum=0.9),
    "adamw": lambda ps: torch.optim.AdamW(ps, lr=0.1),
    "amsgrad": lambda ps: torch.optim.AdamW(ps, lr=0.1, amsgrad=True),
}


def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv3d(1, 3, 2), nn.BatchNorm3d(3), nn.Conv3d(3, 2, 1))


def step(module, optimizer, seed):
    generator = torch.Generator().manual_seed(seed)
    optimizer.zero_grad()
    module(torch.randn(4, 1, 3, 3, 3, generator=generator)).square().sum().backward()
    optimizer.step()


def after_training(make, steps=5):
    module = encoder()
    initial = copy.deepcopy(module.state_dict())
    optimizer = make(module.parameters())
    for seed in range(steps):
        step(module, optimizer, seed)
    return module, initial, optimizer


def test_hand_value():
    """a = .25: .25 * 8 + .75 * 4 = 5."""
    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.fill_(4.0)
        module.bias.fill_(1.0)
    initial = {"weight": torch.full((1, 2), 8.0), "bias": torch.full((1,), 5.0)}
    soft_reset(module, initial, torch.optim.SGD(module.parameters(), lr=1.0), 0.25)
    assert module.weight.tolist() == [[5.0, 5.0]]
    assert module.bias.tolist() == [2.0]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_zero_changes_no_bit(make):
    module, initial, optimizer = after_training(make)
    before = copy.deepcopy((module.state_dict(), optimizer.state_dict()))
    soft_reset(module, initial, optimizer, 0.0)
    assert all(torch.equal(before[0][name], value) for name, value in module.state_dict().items())
    assert str(before[1]) == str(optimizer.state_dict())


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_one_is_the_initial_encoder_with_a_fresh_optimiser_bit_for_bit(make):
    module, initial, optimizer = after_training(make)
    assert not torch.equal(module[0].weight, initial["0.weight"])
    soft_reset(module, initial, optimizer, 1.0)
    for name, value in module.state_dict().items():
        assert torch.equal(value, initial[name]) or name.endswith("num_batches_tracked"), name
    fresh = encoder()
    other = make(fresh.parameters())
    for seed in (11, 12, 13):
        step(module, optimizer, seed)
        step(fresh, other, seed)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), fresh.parameters(), strict=True))


def test_statistics_of_a_batch_norm_follow_and_its_count_of_batches_does_not():
    module, initial, optimizer = after_training(MAKERS["adamw"])
    mean, count = module[1].running_mean.clone(), int(module[1].num_batches_tracked)
    soft_reset(module, initial, optimizer, 0.5)
    torch.testing.assert_close(module[1].running_mean, mean / 2)  # 0 at the start
    assert int(module[1].num_batches_tracked) == count


def test_moments_are_scaled_and_the_count_of_steps_matches_the_second_one():
    module, initial, optimizer = after_training(MAKERS["adamw"], steps=40)
    before = copy.deepcopy(optimizer.state[module[0].weight])
    soft_reset(module, initial, optimizer, 0.6)
    after = optimizer.state[module[0].weight]
    for name in ("exp_avg", "exp_avg_sq"):
        torch.testing.assert_close(after[name], 0.4 * before[name])
    step_, beta = float(after["step"]), 0.999
    assert step_ == 16  # (1 - .999^t') = .4 (1 - .999^40) at t' = 15.8
    corrected = [s["exp_avg_sq"] / (1 - beta ** float(s["step"])) for s in (before, after)]
    torch.testing.assert_close(corrected[1], corrected[0], rtol=0.02, atol=0.0)


def test_the_next_steps_are_not_longer_than_before():
    """Without the count of steps they would be: gradients of one size move a weight by lr a step."""
    p = nn.Parameter(torch.zeros(1))
    module = nn.Module()
    module.weight = p
    optimizer = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.0)
    for share in (None, 0.97):
        if share is not None:
            soft_reset(module, {"weight": torch.zeros(1)}, optimizer, share)
        for _ in range(300):
            before = p.item()
            p.grad = torch.ones(1)
            optimizer.step()
            assert abs(p.item() - before) < 1.05e-3


def test_other_parameters_of_the_optimiser_are_left_alone():
    module, other = encoder(), nn.Linear(3, 1)
    initial = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.AdamW([{"params": module.parameters()}, {"params": other.parameters()}], lr=0.1)
    for seed in range(3):
        step(module, optimizer, seed)
        other(torch.ones(2, 3)).sum().backward()
        optimizer.step()
    weight, state = other.weight.clone(), copy.deepcopy(optimizer.state[other.weight])
    soft_reset(module, initial, optimizer, 0.9)
    assert torch.equal(other.weight, weight)
    assert all(torch.equal(state[name], optimizer.state[other.weight][name]) for name in state)


def test_a_parameter_that_never_had_a_gradient_has_nothing_to_scale():
    module = encoder()
    soft_reset(module, copy.deepcopy(module.state_dict()), MAKERS["adamw"](module.parameters()), math.tanh(1.0))
    torch.testing.assert_close(module[0].weight, encoder()[0].weight)
