"""One training step with a modulator, and what it did to the OCT encoder's three-dimensional convolutions."""

from __future__ import annotations

from typing import Any

import torch

from bundle.handlers import RebalancingHandler
from bundle.modulation import Modulator
from tests.toy import adamw, sgd, toy_batches, toy_network, toy_trainer

MODES = {"grad": sgd, "update": adamw}


def step(modulator: Modulator | None, apply_to: str) -> tuple[Any, dict[str, float]]:
    """Moves of the OCT encoder's Conv3d weights, by name, and the scalars of the step.

    The fundus head starts far off, so that OCT is ahead.
    """
    network = toy_network()
    with torch.no_grad():
        network.head("fundus").bias.add_(3.0)
    before = {n: w.detach().clone() for n, w in network.encoder("oct").named_parameters() if w.ndim == 5}
    optimizer = MODES[apply_to](network, weight_decay=0.0)
    trainer = toy_trainer(
        network, toy_batches(1), optimizer, [RebalancingHandler(modulator=modulator, apply_to=apply_to)]
    )
    trainer.run()
    after = dict(network.encoder("oct").named_parameters())
    return {n: after[n].detach() - w for n, w in before.items()}, trainer.state.output["scalars"]


def assert_conv3d_moves_k_times_as_far(modulator: Modulator, apply_to: str, k_oct: float | None = None) -> None:
    """Every Conv3d weight of the OCT encoder moves k_oct times as far as without modulation, and k_oct is not 1.

    `grad` runs under SGD, `update` under AdamW, where a factor on the gradient would be lost.
    """
    plain, _ = step(None, apply_to)
    modulated, scalars = step(modulator, apply_to)
    k = scalars["k_oct"]
    assert abs(k - 1) > 0.05, "the toy must be out of balance"
    assert k_oct is None or abs(k - k_oct) < 1e-4
    assert len(plain) == 3
    for name, move in plain.items():
        assert float(move.abs().max()) > 1e-5, name
        torch.testing.assert_close(modulated[name], k * move, rtol=1e-3, atol=1e-6)
