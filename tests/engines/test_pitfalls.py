"""Pitfalls of two-pass training that no other file here shows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from bundle.handlers import GradientNoiseHandler, RebalancingHandler
from bundle.modulation import GSAMAscent, LookAheadReuse, ModalityBudgetAscent, OGMModulator, SAMAscent
from tests.engines.test_second_pass import Recorder
from tests.toy import adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer, weights

RHO, LR = 0.05, 2e-3


class ExtraTerm:
    """A term on the OCT projection, in chosen passes of chosen iterations; its weights and gradients of every step."""

    def __init__(self, passes: dict[int, tuple[str, ...]]) -> None:
        self.passes = passes
        self.before: list[torch.Tensor] = []
        self.gradients: list[torch.Tensor | None] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_STARTED, self.note)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.note_gradient)

    def note(self, engine: Any) -> None:
        self.before.append(engine.training_network.projections["oct"][0].weight.detach().clone())

    def note_gradient(self, engine: Any) -> None:
        gradient = engine.training_network.projections["oct"][0].weight.grad
        self.gradients.append(None if gradient is None else gradient.clone())

    def __call__(self, engine: Any) -> None:
        if engine.state.sam_pass in self.passes[engine.state.iteration]:
            tokens = engine.state.output["outputs"]["features"]["oct"]["h"].detach().mean(1)
            head = engine.training_network.projections["oct"]
            engine.state.output["loss"] = engine.state.output["loss"] + head(tokens).square().sum()


def test_a_gradient_in_the_second_pass_only_is_not_rolled_back_to_an_earlier_copy() -> None:
    """Step 1 perturbs and restores the weight; step 2 reaches it in its second pass alone, step 3 in its first."""
    both = ("first", "descent")
    term = ExtraTerm({1: both, 2: ("descent",), 3: ("first",), 4: both})
    network = toy_network()
    toy_trainer(
        network, toy_batches(4), sgd(network, lr=LR, momentum=0.0), [term], ascent=ModalityBudgetAscent(RHO)
    ).run()
    w, g = term.before, term.gradients
    for step in (0, 1):
        assert g[step] is not None
        torch.testing.assert_close(w[step + 1], w[step] - LR * g[step], rtol=0, atol=1e-8)
        assert float((w[step + 1] - w[step]).abs().max()) > 1e-5
    assert g[2] is None
    assert torch.equal(w[3], w[2])


def test_every_weight_of_the_encoders_is_perturbed_whatever_its_number_of_axes() -> None:
    """Blocks are made of modules: the five axes of a Conv3d weight are no reason to leave it out."""
    recorder, network = Recorder(), toy_network()
    toy_trainer(network, toy_batches(1), handlers=[recorder], ascent=SAMAscent(RHO)).run()
    at_w, perturbed = recorder.parameters
    encoders = [name for name in at_w if "_encoder." in name]
    assert {at_w[name].ndim for name in encoders} == {1, 4, 5}
    for name in encoders:
        assert bool((at_w[name] != perturbed[name]).any()), name


def test_gradients_beyond_half_precision_need_no_loss_scaler() -> None:
    """bfloat16 has the range of float32: a loss of 1e9 would overflow float16, whose scaler cannot unscale twice."""

    class Large:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

        def __call__(self, engine: Any) -> None:
            engine.state.output["loss"] = engine.state.output["loss"] * 1e9

    network = toy_network()
    trainer = toy_trainer(
        network, toy_batches(2), sgd(network, lr=1e-12), [Large()], amp=True, ascent=SAMAscent(RHO), max_grad_norm=None
    )
    trainer.run()
    assert trainer.scaler is None
    assert trainer.state.output["skipped"] is False
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(g.dtype == torch.float32 and bool(g.isfinite().all()) for g in gradients)
    assert max(float(g.abs().max()) for g in gradients) > torch.finfo(torch.float16).max


VARIANTS = {
    "gsam": {"ascent": lambda: GSAMAscent(RHO)},
    "looksam": {"ascent": lambda: SAMAscent(RHO), "look_ahead": lambda: LookAheadReuse(2, per_block=False)},
    "ogm_ge": {"handlers": lambda: [RebalancingHandler(modulator=OGMModulator()), GradientNoiseHandler(0)]},
}


@pytest.mark.parametrize("optimizer", [adamw, sgd])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_part_turns_a_missing_gradient_into_a_zero_one(variant: str, optimizer: Any) -> None:
    """With momentum and decay a zero gradient would move the weights. Here nothing uses the projections."""
    network = toy_network()
    parts = {name: make() for name, make in VARIANTS[variant].items()}
    toy_trainer(network, toy_batches(4), optimizer(network, weight_decay=0.5), **parts).run()
    assert all(p.grad is None for p in network.projections.parameters())
    assert largest_difference(network.projections, toy_network().projections) == 0.0


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_modality_that_no_eye_has_stands_still(variant: str) -> None:
    network = toy_network(norm="batch")
    parts = {name: make() for name, make in VARIANTS[variant].items()}
    batches = toy_batches(3, eyes={"oct": list(range(8))})
    toy_trainer(network, batches, adamw(network, weight_decay=0.5), **parts).run()
    fresh = toy_network(norm="batch")
    assert largest_difference(network.encoder("oct"), fresh.encoder("oct")) == 0.0
    assert largest_difference(network.encoder("fundus"), fresh.encoder("fundus")) > 1e-6


@pytest.mark.parametrize("variant", VARIANTS)
def test_learning_rate_zero_leaves_every_weight_bit_identical(variant: str) -> None:
    network = toy_network()
    parts = {name: make() for name, make in VARIANTS[variant].items()}
    toy_trainer(network, toy_batches(3), adamw(network, lr=0.0), **parts).run()
    assert largest_difference(weights(network), toy_network()) == 0.0
