"""The contrastive term in the loss, and its queues."""

from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from bundle.handlers import ContrastiveHandler
from bundle.losses import AdaptiveMarginContrastiveLoss
from bundle.modulation import ModalityBudgetAscent
from tests.toy import largest_difference, toy_batches, toy_network, toy_trainer


class Passes:
    """Loss, terms, projections and weights in every pass."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        output = engine.state.output
        self.seen.append(
            {
                "pass": engine.state.sam_pass, "epoch": engine.state.epoch, "loss": float(output["loss"].detach()),
                "regression": float(output["losses"]["total"].detach()),
                "aux": {name: float(v.detach()) for name, v in output["aux_losses"].items()},
                "own": {name: float(output["losses"][name].detach()) for name in output["aux_losses"]},
                "z": {name: output["outputs"][f"z_{name}"].detach().clone() for name in output["aux_losses"]},
            }
        )  # fmt: skip


def contrast(batches: list[dict]) -> AdaptiveMarginContrastiveLoss:
    return AdaptiveMarginContrastiveLoss().fit(torch.cat([batch["label"] for batch in batches]))


def run(
    batches: list[dict], rho: float = 0.05, epochs: int = 1, **settings: Any
) -> tuple[ContrastiveHandler, list[dict]]:
    handler, passes = ContrastiveHandler(contrast(batches), **settings), Passes()
    toy_trainer(
        toy_network(), batches, handlers=[handler, passes], max_epochs=epochs, ascent=ModalityBudgetAscent(rho)
    ).run()
    return handler, passes.seen


def test_weight_rises_linearly_from_zero_over_the_warm_up() -> None:
    handler = ContrastiveHandler(AdaptiveMarginContrastiveLoss(), weight=0.6, warmup_epochs=3)
    assert [handler.weight_at(epoch) for epoch in range(1, 7)] == pytest.approx([0, 0.2, 0.4, 0.6, 0.6, 0.6])
    assert ContrastiveHandler(AdaptiveMarginContrastiveLoss(), weight=0.6, warmup_epochs=0).weight_at(1) == 0.6


def test_first_epoch_of_the_warm_up_has_no_term_and_fills_the_queue() -> None:
    handler, seen = run(toy_batches(2), epochs=2, weight=0.6, warmup_epochs=3, queue_size=100)
    assert all(one["loss"] == one["regression"] for one in seen if one["epoch"] == 1)
    assert all(one["loss"] > one["regression"] for one in seen if one["epoch"] == 2)
    assert len(handler.queues["oct"]) == 32


def test_term_is_the_weighted_loss_of_every_modality_in_both_passes() -> None:
    batch = toy_batches(1)
    _, seen = run(batch, weight=0.3, warmup_epochs=0, queue_size=0)
    assert [one["pass"] for one in seen] == ["first", "descent"]
    loss, md_db = contrast(batch), batch[0]["label"].flatten()
    for one in seen:
        terms = {name: float(loss(z, md_db)) for name, z in one["z"].items()}
        assert one["loss"] == pytest.approx(one["regression"] + 0.3 * sum(terms.values()), rel=1e-5)
        for name, term in terms.items():
            assert one["aux"][name] == pytest.approx(0.5 * one["own"][name] + 0.3 * term, rel=1e-5)


def test_queue_holds_the_first_passs_features_once_a_step() -> None:
    batches = toy_batches(3)
    handler, seen = run(batches, weight=0.3, warmup_epochs=0, queue_size=100)
    first = torch.cat([one["z"]["oct"] for one in seen if one["pass"] == "first"])
    assert torch.equal(handler.queues["oct"].z, first)
    assert not torch.equal(first, torch.cat([one["z"]["oct"] for one in seen if one["pass"] == "descent"]))
    assert torch.equal(handler.queues["oct"].md_db, torch.cat([batch["label"].flatten() for batch in batches]))


def test_queue_is_first_in_first_out_and_its_keys_matter() -> None:
    batches = toy_batches(3)
    handler, seen = run(batches, weight=0.3, warmup_epochs=0, queue_size=12)
    newest = torch.cat([batch["label"].flatten() for batch in batches])[-12:]
    assert torch.equal(handler.queues["fundus"].md_db, newest)
    _, without = run(batches, weight=0.3, warmup_epochs=0, queue_size=0)
    assert seen[0]["loss"] == without[0]["loss"]  # the first batch meets an empty queue
    assert seen[2]["loss"] != pytest.approx(without[2]["loss"], abs=1e-4)


def test_eyes_without_the_modality_are_left_out() -> None:
    batches = toy_batches(2, eyes={"oct": [0, 5]})
    handler, _ = run(batches, weight=0.3, warmup_epochs=0, queue_size=100)
    assert len(handler.queues["oct"]) == 12
    assert len(handler.queues["fundus"]) == 16
    assert bool(handler.queues["oct"].z.isfinite().all())


def test_weight_zero_attaches_nothing_and_a_negative_one_is_refused() -> None:
    handler, _ = run(toy_batches(1), weight=0.0)
    assert handler.queues == {}
    with pytest.raises(ValueError, match="0 or more"):
        ContrastiveHandler(AdaptiveMarginContrastiveLoss(), weight=-0.1)


def test_save_load_go_on_equals_never_stopped() -> None:
    """A handler with its state restored in the middle of a run trains on like the one that never stopped."""
    batches, runs = toy_batches(4), []
    for interrupted in (False, True):
        network = toy_network()
        handler = ContrastiveHandler(contrast(batches), warmup_epochs=0, queue_size=12)
        toy_trainer(network, batches[:2], handlers=[handler]).run()
        if interrupted:
            state = handler.state_dict()
            handler = ContrastiveHandler(AdaptiveMarginContrastiveLoss(), warmup_epochs=0, queue_size=12)  # not fitted
            handler.load_state_dict(state)
        toy_trainer(network, batches[2:], handlers=[handler]).run()
        runs.append(network)
    assert largest_difference(*runs) == 0.0
