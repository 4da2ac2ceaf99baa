"""NaN and infinity in either pass: weights as before, the step skipped, the eyes named."""

import logging
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from bundle.handlers import ContrastiveHandler, RebalancingHandler
from bundle.losses import AdaptiveMarginContrastiveLoss
from bundle.modulation import ModalityBudgetAscent, OneSidedProjection
from tests.toy import adamw, largest_difference, toy_batches, toy_network, toy_trainer

RHO = 0.05


class Spoil:
    """Multiplies the loss of one pass, in chosen iterations, by a number; or the gradient of it alone."""

    def __init__(
        self, sam_pass: str, factor: float = float("nan"), iterations: tuple[int, ...] = (1,), gradient: bool = False
    ) -> None:
        self.sam_pass, self.factor, self.iterations, self.gradient = sam_pass, factor, iterations, gradient

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        if engine.state.sam_pass != self.sam_pass or engine.state.iteration not in self.iterations:
            return
        loss = engine.state.output["loss"]
        if self.gradient:
            loss = loss.clone()
            loss.register_hook(lambda g: g * self.factor)
            engine.state.output["loss"] = loss
        else:
            engine.state.output["loss"] = loss * self.factor


def spoiled_image(batch: dict) -> dict:
    """One voxel of one eye is NaN: not a missing image, which is NaN everywhere."""
    batch["image"][3, 0, 0, 0, 0] = float("nan")
    return batch


@pytest.mark.parametrize("gradient", [False, True], ids=["loss", "gradient"])
@pytest.mark.parametrize("sam_pass", ["first", "descent"])
def test_step_is_skipped_and_weights_are_bit_identical(
    sam_pass: str, gradient: bool, caplog: pytest.LogCaptureFixture
) -> None:
    network = toy_network(norm="batch")
    trainer = toy_trainer(
        network, toy_batches(1), handlers=[Spoil(sam_pass, gradient=gradient)], ascent=ModalityBudgetAscent(RHO)
    )
    with caplog.at_level(logging.WARNING):
        trainer.run()
    assert trainer.state.output["skipped"] is True
    assert largest_difference(network, toy_network(norm="batch")) == 0.0
    assert "[2, 3, 4, 5, 6, 7, 8, 9]" in caplog.text
    assert f"{sam_pass} pass" in caplog.text


@pytest.mark.parametrize("rho", [0.0, RHO])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_batch_with_a_nan_voxel_leaves_weights_and_statistics(rho: float, norm: str) -> None:
    """Batch norm would keep a NaN in its running mean for ever."""
    network = toy_network(norm=norm)
    toy_trainer(network, [spoiled_image(toy_batches(1)[0])], ascent=ModalityBudgetAscent(rho)).run()
    assert largest_difference(network, toy_network(norm=norm)) == 0.0


def test_training_goes_on_as_if_the_batch_had_not_been_there() -> None:
    """All handlers on: no state is touched by the skipped step."""
    good = toy_batches(3)
    loss = AdaptiveMarginContrastiveLoss().fit(torch.cat([batch["label"] for batch in good]))
    runs = []
    for batches in (good, [good[0], spoiled_image(toy_batches(2)[1]), *good[1:]]):
        network = toy_network(norm="batch")
        handlers = [ContrastiveHandler(loss, warmup_epochs=0), RebalancingHandler(OneSidedProjection())]
        toy_trainer(network, batches, handlers=handlers, ascent=ModalityBudgetAscent(RHO)).run()
        runs.append(network)
    assert largest_difference(*runs) == 0.0
    assert largest_difference(runs[0], toy_network(norm="batch")) > 1e-4


@pytest.mark.parametrize("sam_pass", ["first", "descent"])
def test_learning_rates_are_put_back_after_a_skipped_step(sam_pass: str) -> None:
    network = toy_network()
    optimizer = adamw(network, lr=3e-3)
    handlers = [Spoil(sam_pass, iterations=(2,), gradient=True), RebalancingHandler()]
    toy_trainer(network, toy_batches(2), optimizer, handlers, ascent=ModalityBudgetAscent(RHO)).run()
    assert {group["lr"] for group in optimizer.param_groups} == {3e-3}


def test_training_stops_after_max_skipped_in_a_row() -> None:
    network = toy_network()
    bad = (1, 2, 4, 5, 6)
    trainer = toy_trainer(network, toy_batches(8), handlers=[Spoil("first", iterations=bad)], max_skipped=3)
    with pytest.raises(FloatingPointError, match=r"3 steps in a row.*manifest rows \[42, 43"):
        trainer.run()
    assert trainer.state.iteration == 6
    assert all(bool(p.isfinite().all()) for p in network.parameters())
