"""Probe heads only watch, and the modalities have no order."""

import pytest
import torch

from bundle.handlers import RebalancingHandler
from bundle.modulation import BalanceModulator, ModalityBudgetAscent, OneSidedProjection
from bundle.networks import TrainingNetwork
from tests.toy import adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer

PARTS = ("oct_encoder", "fundus_encoder", "fusion")


def test_probe_heads_learn_and_give_the_encoders_no_gradient() -> None:
    network = toy_network(probe_heads=True)
    batch = toy_batches(1)[0]
    outputs = network(batch["image"], batch["fundus"])
    (outputs["pred_oct"].sum() + outputs["pred_fundus"].sum()).backward()
    assert all(p.grad is None for name in ("oct", "fundus") for p in network.encoder(name).parameters())
    assert all(p.grad is not None for name in ("oct", "fundus") for p in network.head(name).parameters())


@pytest.mark.parametrize("rho", [0.0, 0.05])
def test_probe_heads_do_not_change_the_training_of_the_rest(rho: float) -> None:
    """Whatever they start from: they are in no block of the ascent, so not even the budget depends on them."""
    runs = []
    for factor in (1.0, 20.0):
        network = toy_network(probe_heads=True)
        with torch.no_grad():
            for name in ("oct", "fundus"):
                network.head(name).weight.mul_(factor)
        toy_trainer(network, toy_batches(4), ascent=ModalityBudgetAscent(rho)).run()
        runs.append(network)
    for part in PARTS:
        assert largest_difference(*(getattr(network.regressor, part) for network in runs)) == 0.0
    assert largest_difference(runs[0].head("oct"), toy_network().head("oct")) > 1e-3


class Swapped(TrainingNetwork):
    """The same network with its modalities named in the other order."""

    def __init__(self, network: TrainingNetwork) -> None:
        torch.nn.Module.__init__(self)
        self.__dict__.update({k: v for k, v in network.__dict__.items() if not k.startswith("_")})
        self._modules.update(network._modules)
        self.modalities = network.modalities[::-1]


def test_order_of_the_modalities_does_not_matter() -> None:
    """All parts on; sums over blocks are taken in another order, so equal up to rounding."""
    runs, factors = [], []
    for wrap in (lambda network: network, Swapped):
        network = wrap(toy_network())
        handlers = [RebalancingHandler(OneSidedProjection(), BalanceModulator())]
        trainer = toy_trainer(network, toy_batches(4), sgd(network), handlers, ascent=ModalityBudgetAscent(0.02))
        trainer.run()
        runs.append(network)
        factors.append({name: v for name, v in trainer.state.output["scalars"].items() if name.startswith("k_")})
    assert list(runs[1].parameter_blocks()) == ["fundus", "oct", "fusion"]
    assert largest_difference(*runs) < 1e-6
    assert factors[0] == pytest.approx(factors[1], rel=1e-4)
    assert factors[0]["k_oct"] != pytest.approx(1.0, abs=1e-3)


def test_every_parameter_is_in_exactly_one_group() -> None:
    for probe_heads in (False, True):
        network = toy_network(probe_heads=probe_heads)
        grouped = [id(p) for group in adamw(network).param_groups for p in group["params"]]
        assert sorted(grouped) == sorted(id(p) for p in network.parameters())
