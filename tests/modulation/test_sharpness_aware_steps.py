"""Whole optimiser steps made of the parts, against the SAM of pytorch_optimizer."""

import copy

import pytest
import torch
from pytorch_optimizer import SAM
from torch import nn

from bundle.losses import LabelDensity, RarityWeight, UniformWeight, WeightedMSELoss
from bundle.modulation import ModalityBudgetAscent, SAMAscent, perturb, restore

STEPS, RHO = 8, 0.05
BASES = {"sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}), "adamw": (torch.optim.AdamW, {"lr": 0.01})}


class TwoEncoders(nn.Module):
    """A toy of two encoders and a fusion head, float64."""

    def __init__(self, modalities=("oct", "fundus")):
        super().__init__()
        self.encoders = nn.ModuleDict({m: nn.Sequential(nn.Linear(4, 6), nn.Tanh()) for m in modalities})
        self.fusion = nn.Linear(6 * len(modalities), 1)
        self.double()

    def forward(self, x):
        return self.fusion(torch.cat([encoder(x[m]) for m, encoder in self.encoders.items()], 1))

    def blocks(self):
        encoders = {m: list(encoder.parameters()) for m, encoder in self.encoders.items()}
        return encoders | {"fusion": list(self.fusion.parameters())}


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    x = {m: torch.randn(STEPS, 16, 4, generator=generator, dtype=torch.float64) for m in ("oct", "fundus")}
    md_db = -5 * torch.rand(STEPS, 16, 1, generator=generator, dtype=torch.float64) ** 2
    return x, md_db


def our_steps(network, ascent, data, weight, base):
    optimizer = BASES[base][0](network.parameters(), **BASES[base][1])
    loss, blocks = WeightedMSELoss(2.0), network.blocks()
    x, md_db = data
    for t in range(STEPS):
        batch = {m: values[t] for m, values in x.items()}
        optimizer.zero_grad()
        loss(network(batch), md_db[t], weight(md_db[t])).backward()
        eps, _ = ascent.eps(blocks, {b: [p.grad for p in ps] for b, ps in blocks.items()}, {})
        saved = perturb(blocks, eps)
        optimizer.zero_grad()
        loss(network(batch), md_db[t], weight(md_db[t])).backward()
        restore(blocks, saved)
        optimizer.step()
    return network


def library_steps(network, data, weight, base):
    optimizer = SAM(network.parameters(), BASES[base][0], rho=RHO, **BASES[base][1])
    x, md_db = data
    for t in range(STEPS):
        batch = {m: values[t] for m, values in x.items()}
        for step in (optimizer.first_step, optimizer.second_step):
            (weight(md_db[t]) * ((network(batch) - md_db[t]) / 2.0) ** 2).mean().backward()
            step(zero_grad=True)
    return network


def largest_difference(a, b):
    return max(float((p - q).detach().abs().max()) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return TwoEncoders()


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("ascent", [SAMAscent(RHO), ModalityBudgetAscent(RHO, equalize=0.0)], ids=["sam", "nu=0"])
def test_eight_steps_equal_sam(network, data, ascent, base):
    start = copy.deepcopy(network)
    library = library_steps(copy.deepcopy(network), data, UniformWeight(), base)
    ours = our_steps(network, ascent, data, UniformWeight(), base)
    assert largest_difference(ours, library) < 1e-6
    assert largest_difference(ours, start) > 1e-2


@pytest.mark.parametrize("base", BASES)
def test_density_weights_in_both_passes_are_bsam(network, data, base):
    weight = RarityWeight(LabelDensity().fit(data[1]), power=0.5)
    library = library_steps(copy.deepcopy(network), data, weight, base)
    plain = our_steps(copy.deepcopy(network), SAMAscent(RHO), data, UniformWeight(), base)
    ours = our_steps(network, SAMAscent(RHO), data, weight, base)
    assert largest_difference(ours, library) < 1e-6
    assert largest_difference(ours, plain) > 1e-4


@pytest.mark.parametrize("equalize", [0.5, 1.0])
def test_one_modality_equals_sam_for_every_budget_rule(data, equalize):
    network = TwoEncoders(modalities=("oct",))
    library = library_steps(copy.deepcopy(network), data, UniformWeight(), "sgd")
    ours = our_steps(network, ModalityBudgetAscent(RHO, equalize=equalize), data, UniformWeight(), "sgd")
    assert largest_difference(ours, library) < 1e-6


def test_equal_budgets_are_not_sam(network, data):
    library = library_steps(copy.deepcopy(network), data, UniformWeight(), "sgd")
    ours = our_steps(network, ModalityBudgetAscent(RHO, equalize=1.0), data, UniformWeight(), "sgd")
    assert largest_difference(ours, library) > 1e-5
