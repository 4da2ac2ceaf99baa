"""Micro-batches."""

import pytest
import torch

from bundle.modulation import ModalityBudgetAscent
from tests.toy import largest_difference, sgd, toy_batches, toy_network, toy_trainer


def run(batches: list[dict], rho: float = 0.0, **kwargs: object) -> torch.nn.Module:
    network = toy_network()
    toy_trainer(network, batches, sgd(network), ascent=ModalityBudgetAscent(rho), **kwargs).run()
    return network


def halves(batches: list[dict]) -> list[dict]:
    return [{key: value[part] for key, value in b.items()} for b in batches for part in (slice(0, 4), slice(4, 8))]


@pytest.mark.parametrize("rho", [0.0, 0.05])
def test_one_micro_batch_a_step_is_no_accumulation(rho: float) -> None:
    batches = toy_batches(3)
    assert largest_difference(run(batches, rho, accumulation_steps=1), run(batches, rho)) == 0.0


def test_two_micro_batches_are_one_batch_of_double_size() -> None:
    """Without an ascent and without batch norm."""
    batches = toy_batches(3)
    accumulated = run(halves(batches), accumulation_steps=2)
    assert largest_difference(accumulated, run(batches)) < 1e-6
    assert largest_difference(accumulated, run(halves(batches))) > 1e-5


def test_an_incomplete_last_step_weighs_its_micro_batches_fully() -> None:
    batches = toy_batches(2)
    micro = halves(batches)[:3]
    alone = [batches[0], micro[2]]
    assert largest_difference(run(micro, accumulation_steps=2), run(alone)) < 1e-6


def test_each_micro_batch_has_its_own_ascent() -> None:
    """m-SAM: the gradient is the mean of the micro-batches' own sharpness-aware gradients."""
    batches = toy_batches(1)
    one_step = run(halves(batches), rho=0.05, accumulation_steps=2)
    moved = []
    for half in halves(batches):
        network = toy_network()
        toy_trainer(network, [half], sgd(network), ascent=ModalityBudgetAscent(0.05)).run()
        moved.append({name: w - toy_network().state_dict()[name] for name, w in network.state_dict().items()})
    expected = {name: w + (moved[0][name] + moved[1][name]) / 2 for name, w in toy_network().state_dict().items()}
    assert largest_difference(one_step, expected) < 1e-6


@pytest.mark.parametrize("bad", [0, 1])
def test_a_micro_batch_that_is_not_finite_spoils_its_step_and_no_other(bad: int) -> None:
    micro = halves(toy_batches(2))
    micro[bad]["label"][0] = float("nan")
    assert largest_difference(run(micro, accumulation_steps=2), run(micro[2:], accumulation_steps=2)) == 0.0
