"""Whole trainings with GSAM and with re-use of the second pass, against a library, a plain loop and their limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from pytorch_optimizer import GSAM
from pytorch_optimizer.lr_scheduler import ProportionScheduler

from bundle.handlers import RebalancingHandler, RhoScheduleHandler
from bundle.modulation import GSAMAscent, LookAheadReuse, ModalityBudgetAscent, OneSidedProjection, SAMAscent
from tests.engines.test_limiting_cases import BASES, BUILD, RHO, objective
from tests.engines.test_not_finite import Spoil
from tests.toy import adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer

ALPHA, STRENGTH, STEPS = 0.4, 0.7, 8


@pytest.fixture(scope="module")
def batches() -> list[dict]:
    return toy_batches(STEPS)


class EveryStep:
    """Scalars of every step, and a schedule that moves after each."""

    def __init__(self, schedule: Any = None) -> None:
        self.schedule = schedule
        self.scalars: list[dict[str, float]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.scalars.append(dict(engine.state.output["scalars"]))
        if self.schedule is not None:
            self.schedule.step()


def cosine(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)


# ---- GSAM ----------------------------------------------------------------------------------------------------------


def library_gsam(network: Any, batches: list[dict], base: str, alpha: float) -> Any:
    optimizer = BASES[base][0](network.parameters(), **BASES[base][1])
    schedule = cosine(optimizer)
    radius = ProportionScheduler(schedule, max_lr=BASES[base][1]["lr"], max_value=RHO, min_value=0.0)
    gsam = GSAM(network.parameters(), optimizer, network, radius, alpha=alpha)
    for batch in batches:

        def closure(batch: dict = batch) -> tuple[None, torch.Tensor]:
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = objective(network, batch, beta=0.5)
            loss.backward()
            return None, loss

        gsam.step(closure)
        schedule.step()
        gsam.update_rho_t()
    return network


@pytest.mark.parametrize("base", BASES)
def test_training_with_gsam_is_that_of_the_library(batches: list[dict], base: str) -> None:
    """Eight steps; rho follows the learning rate."""
    network, ascent = toy_network(), GSAMAscent(RHO, alpha=ALPHA)
    optimizer = BUILD[base](network)
    handlers = [RhoScheduleHandler(ascent), EveryStep(cosine(optimizer))]
    toy_trainer(network, batches, optimizer, handlers, ascent=ascent).run()
    assert largest_difference(network, library_gsam(toy_network(), batches, base, ALPHA)) < 2e-6
    assert largest_difference(network, library_gsam(toy_network(), batches, base, 0.0)) > 1e-5


@pytest.mark.parametrize("base", BASES)
def test_gsam_with_alpha_zero_is_sam_bit_for_bit(batches: list[dict], base: str) -> None:
    networks = []
    for ascent in (SAMAscent(RHO), GSAMAscent(RHO, alpha=0.0), GSAMAscent(RHO, alpha=ALPHA)):
        networks.append(toy_network())
        toy_trainer(networks[-1], batches, BUILD[base](networks[-1]), ascent=ascent).run()
    assert largest_difference(networks[0], networks[1]) == 0.0
    assert largest_difference(networks[0], networks[2]) > 1e-5


# ---- re-use of the second pass -------------------------------------------------------------------------------------


def looksam_loop(network: Any, batches: list[dict], every: int) -> Any:
    """From the formula, on one vector of all weights."""
    optimizer = BASES["sgd"][0](network.parameters(), **BASES["sgd"][1])

    def gradient(batch: dict) -> tuple[list[Any], torch.Tensor]:
        optimizer.zero_grad()
        objective(network, batch, beta=0.5).backward()
        params = [p for p in network.parameters() if p.grad is not None]
        return params, torch.cat([p.grad.flatten() for p in params])

    def put(params: list[Any], vector: torch.Tensor, where: str) -> None:
        for p, part in zip(params, vector.split([p.numel() for p in params]), strict=True):
            setattr(p, where, part.view_as(p).clone())

    for t, batch in enumerate(batches):
        params, g = gradient(batch)
        if t % every == 0:
            w = torch.cat([p.detach().flatten() for p in params])
            put(params, w + RHO * g / g.norm(), "data")
            _, sharp = gradient(batch)
            put(params, w, "data")
            across = sharp - (sharp @ g) / (g @ g) * g
        else:
            put(params, g + STRENGTH * g.norm() / across.norm() * across, "grad")
        optimizer.step()
    return network


def look_ahead_run(batches: list[dict], look_ahead: LookAheadReuse, ascent: Any = None, handlers: Any = ()) -> Any:
    network = toy_network()
    trainer = toy_trainer(
        network, batches, sgd(network), handlers, ascent=ascent or SAMAscent(RHO), look_ahead=look_ahead
    )
    trainer.run()
    return trainer


def test_training_with_looksam_is_the_loop_of_its_formula(batches: list[dict]) -> None:
    trainer = look_ahead_run(batches, LookAheadReuse(3, STRENGTH, per_block=False))
    assert largest_difference(trainer.network, looksam_loop(toy_network(), batches, 3)) < 5e-6
    assert largest_difference(trainer.network, looksam_loop(toy_network(), batches, 2)) > 1e-4


@pytest.mark.parametrize("per_block", [True, False])
def test_a_second_pass_in_every_step_is_the_whole_method(batches: list[dict], per_block: bool) -> None:
    """k_look = 1 against no re-use, all weights of three epochs' steps: difference 0."""
    networks = []
    for look_ahead in (None, LookAheadReuse(1, 5.0, per_block), LookAheadReuse(2, STRENGTH, per_block)):
        networks.append(toy_network())
        toy_trainer(
            networks[-1], batches, adamw(networks[-1]), [RebalancingHandler(OneSidedProjection())],
            ascent=ModalityBudgetAscent(RHO, sharpness_power=0.5), look_ahead=look_ahead, max_epochs=3,
        ).run()  # fmt: skip
    assert largest_difference(networks[0], networks[1]) == 0.0
    assert largest_difference(networks[0], networks[2]) > 1e-4


def test_passes_are_counted(batches: list[dict]) -> None:
    """Plain 1, sharpness-aware 2, a second pass every k steps 1 + 1 / k."""
    counts = {}
    for name, rho, every in (("plain", 0.0, 1), ("sam", RHO, 1), ("every 2", RHO, 2), ("every 4", RHO, 4)):
        recorder = EveryStep()
        look_ahead_run(batches, LookAheadReuse(every), SAMAscent(rho), [recorder])
        counts[name] = sum(scalars["gradient_passes"] for scalars in recorder.scalars) / STEPS
    assert counts == {"plain": 1.0, "sam": 2.0, "every 2": 1.5, "every 4": 1.25}


def test_the_first_step_after_the_warm_up_of_rho_makes_both_passes(batches: list[dict]) -> None:
    recorder, network = EveryStep(), toy_network()
    toy_trainer(
        network, batches[:2], sgd(network), [recorder], ascent=SAMAscent(RHO), look_ahead=LookAheadReuse(3),
        rho_warmup_epochs=1, max_epochs=3,
    ).run()  # fmt: skip
    assert [scalars["gradient_passes"] for scalars in recorder.scalars] == [1.0, 1.0, 2.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("gradient", [False, True], ids=["loss", "gradient"])
@pytest.mark.parametrize(("sam_pass", "iteration"), [("first", 3), ("descent", 3), ("first", 2)])
def test_a_step_that_is_not_finite_leaves_weights_and_residual(
    batches: list[dict], sam_pass: str, iteration: int, gradient: bool
) -> None:
    """In a step with both passes or with one. Training goes on as if the batch had not been there."""
    spoil = Spoil(sam_pass, iterations=(iteration,), gradient=gradient)
    with_bad = [*batches[: iteration - 1], batches[-1], *batches[iteration - 1 : 4]]
    spoiled = look_ahead_run(with_bad, LookAheadReuse(2, STRENGTH), handlers=[spoil])
    straight = look_ahead_run(batches[:4], LookAheadReuse(2, STRENGTH))
    assert largest_difference(spoiled.network, straight.network) == 0.0
    assert spoiled.look_ahead.step == straight.look_ahead.step == 4
    for name, parts in straight.look_ahead.residual.items():
        for mine, theirs in zip(parts, spoiled.look_ahead.residual[name], strict=True):
            assert (mine is None and theirs is None) or torch.equal(mine, theirs)


@pytest.mark.parametrize("gradient", [False, True], ids=["loss", "gradient"])
@pytest.mark.parametrize("sam_pass", ["first", "descent"])
def test_a_first_step_that_is_not_finite_leaves_no_residual(batches: list[dict], sam_pass: str, gradient: bool) -> None:
    trainer = look_ahead_run(
        batches[:1], LookAheadReuse(2), GSAMAscent(RHO), [Spoil(sam_pass, iterations=(1,), gradient=gradient)]
    )
    assert trainer.state.output["skipped"] is True
    assert largest_difference(trainer.network, toy_network()) == 0.0
    assert (trainer.look_ahead.step, trainer.look_ahead.residual) == (0, {})
