"""OGM-GE: the step of optimisation with noise, in both ways to modulate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.errors import InputError
from bundle.handlers import GradientNoiseHandler, RebalancingHandler
from bundle.modulation import OGMModulator
from tests.toy import largest_difference, sgd, toy_batches, toy_network, toy_trainer

LR = 0.1
ENCODERS = ("oct_encoder", "fundus_encoder")
MODES = ("grad", "update")


class Gradients:
    """Of the network, before the handlers that come after."""

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.found = {n: p.grad.clone() for n, p in engine.network.named_parameters() if p.grad is not None}


def run(apply_to: str = "grad", seed: int | None = None, n: int = 1, strength: float = 1.0) -> tuple[Any, Any, Any]:
    """Weights after n steps of plain gradient descent, the last gradients before the modulation, and the scalars.

    The fundus head starts far off, so that OCT is ahead and slowed down. Without a seed there is no noise.
    """
    network, gradients = toy_network(probe_heads=True), Gradients()
    with torch.no_grad():
        network.head("fundus").bias.add_(3.0)
    noise = [] if seed is None else [GradientNoiseHandler(seed, strength)]
    handlers = [gradients, RebalancingHandler(modulator=OGMModulator(alpha=0.3), apply_to=apply_to), *noise]
    trainer = toy_trainer(network, toy_batches(n), sgd(network, lr=LR, momentum=0.0), handlers)
    trainer.run()
    weights = {name: p.detach().clone() for name, p in network.named_parameters()}
    return weights, gradients.found, trainer.state.output["scalars"]


def encoder_weights(weights: dict[str, Tensor]) -> list[str]:
    return [name for name, w in weights.items() if any(e in name for e in ENCODERS) and w.ndim > 1]


@pytest.fixture(scope="module")
def without_noise() -> Any:
    return run()


@pytest.mark.parametrize("apply_to", MODES)
def test_the_step_is_the_published_one(without_noise: Any, apply_to: str) -> None:
    """w - lr (k g + n): what is there besides w - lr k g, over lr and the spread of g, is standard normal.

    The spread is that of the gradient before the modulation, also where k is not 1.
    """
    ogm, gradients, scalars = without_noise
    assert scalars["k_oct"] < 0.7
    assert scalars["k_fundus"] == 1.0
    for encoder in ENCODERS:
        drawn = []
        for seed in range(12):
            noisy = run(apply_to, seed)[0]
            names = [name for name in encoder_weights(ogm) if encoder in name]
            drawn += [((ogm[n] - noisy[n]) / LR / gradients[n].std()).flatten() for n in names]
        n = torch.cat(drawn)
        assert len(n) > 3000
        assert float(n.mean()) == pytest.approx(0, abs=5 / len(n) ** 0.5)
        assert float(n.std()) == pytest.approx(1, abs=5 / (2 * len(n)) ** 0.5)


def test_both_modes_make_the_same_steps() -> None:
    """Four steps of gradient descent."""
    grad, update = (run(mode, seed=0, n=4)[0] for mode in MODES)
    assert largest_difference(grad, update) < 1e-5
    assert largest_difference(grad, run("grad", n=4)[0]) > 1e-3


@pytest.mark.parametrize("apply_to", MODES)
def test_strength_zero_is_ogm_bit_for_bit(apply_to: str) -> None:
    assert largest_difference(run(apply_to, seed=0, n=3, strength=0.0)[0], run(apply_to, n=3)[0]) == 0.0


def test_weights_of_the_encoders_get_it_and_nothing_else(without_noise: Any) -> None:
    """The three-dimensional convolutions of OCT among them."""
    ogm, noisy = without_noise[0], run(seed=0)[0]
    weights = encoder_weights(ogm)
    assert len([name for name in weights if ogm[name].ndim == 5 and "oct_encoder" in name]) == 3
    for name, w in ogm.items():
        assert bool((w != noisy[name]).any()) == (name in weights), name


def test_draws_are_a_function_of_seed_and_iteration(without_noise: Any) -> None:
    """Not of the global generator, which they leave alone: a rank or a resumed training may have drawn anything."""
    runs = []
    for state in (5, 6):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        runs.append(run(seed=0)[0])
        assert torch.equal(torch.get_rng_state(), before)
    assert largest_difference(*runs) == 0.0
    assert largest_difference(runs[0], run(seed=1)[0]) > 1e-3


def test_iterations_and_modalities_draw_different_numbers() -> None:
    """From equal gradients everywhere."""
    grad, handler, added = torch.arange(24.0).view(4, 6), GradientNoiseHandler(0), []
    encoders = {name: torch.nn.Linear(6, 4, bias=False) for name in ("oct", "fundus")}
    network = SimpleNamespace(modalities=list(encoders), encoder=encoders.__getitem__)
    for iteration in (1, 2, 1):
        for encoder in encoders.values():
            encoder.weight.grad = grad.clone()
        state = SimpleNamespace(iteration=iteration, output={"scalars": {}})
        handler(SimpleNamespace(training_network=network, state=state))
        added.append({name: encoder.weight.grad - grad for name, encoder in encoders.items()})
    assert torch.equal(added[0]["oct"], added[2]["oct"])
    different = [added[0]["oct"], added[0]["fundus"], added[1]["oct"], added[1]["fundus"]]
    for number, a in enumerate(different):
        assert all(float((a - b).abs().max()) > 0.1 for b in different[:number])


def test_a_negative_strength_is_named() -> None:
    with pytest.raises(InputError, match=r"^strength: found"):
        GradientNoiseHandler(0, strength=-1.0)
