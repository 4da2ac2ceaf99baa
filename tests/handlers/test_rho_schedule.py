"""rho follows the learning rate."""

from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from bundle.handlers import RhoScheduleHandler
from bundle.modulation import SAMAscent
from tests.toy import adamw, toy_batches, toy_network, toy_trainer

RHO, LR = 0.05, 2e-3


class Rhos:
    """rho of every step, and the schedule's step after each."""

    def __init__(self, schedule: Any = None) -> None:
        self.seen: list[float] = []
        self.schedule = schedule

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.seen.append(engine.state.output["scalars"]["rho"])
        if self.schedule is not None:
            self.schedule.step()


def rhos(make_schedule: Any = None, n: int = 4, **kwargs: Any) -> list[float]:
    network = toy_network()
    optimizer, ascent = adamw(network, lr=LR), SAMAscent(RHO)
    recorder = Rhos(make_schedule and make_schedule(optimizer))
    handlers = [RhoScheduleHandler(ascent), recorder]
    toy_trainer(network, toy_batches(n), optimizer, handlers, ascent=ascent, **kwargs).run()
    return recorder.seen


def test_it_is_proportional_to_the_learning_rate() -> None:
    """A cosine of four steps: 1, (1 + cos 45)/2, 1/2, (1 - cos 45)/2 of the largest."""
    found = rhos(lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4))
    assert found == pytest.approx([RHO, RHO * 0.8535534, RHO * 0.5, RHO * 0.1464466], rel=1e-6)


def test_a_learning_rate_of_zero_gives_rho_zero_and_one_pass() -> None:
    found = rhos(lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(step > 1)))
    assert found == [0.0, 0.0, RHO, RHO]


def test_without_a_schedule_it_stays() -> None:
    assert rhos() == [RHO] * 4


def test_the_warm_up_of_rho_comes_first() -> None:
    assert rhos(n=2, rho_warmup_epochs=1, max_epochs=2) == [0.0, 0.0, RHO, RHO]


def test_a_resumed_optimiser_is_enough_to_go_on() -> None:
    """The handler has no state: rate now and at the start are the optimiser's."""
    network = toy_network()
    optimizer = adamw(network, lr=LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    for _ in range(2):
        optimizer.step()
        schedule.step()
    other = toy_network()
    resumed, ascent = adamw(other, lr=LR), SAMAscent(RHO)
    resumed.load_state_dict(optimizer.state_dict())
    handler, recorder = RhoScheduleHandler(ascent), Rhos()
    toy_trainer(other, toy_batches(1), resumed, [handler, recorder], ascent=ascent).run()
    assert recorder.seen == pytest.approx([RHO / 2])
    assert not hasattr(handler, "state_dict")
