"""Stages: which modality learns in which epoch, and that the other stands still."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from bundle.errors import InputError
from bundle.handlers import CheckpointHandler, HandlerGroup, StagesHandler
from bundle.losses import ReconBoostLoss
from bundle.networks import SumFusion
from tests.toy import MEAN_DB, SD_DB, adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer, weights
from tests.toy_late import late_network

LABEL_WEIGHT = 0.2


class Epochs:
    """What each epoch left: the active modality, the weights, and which encoders have a gradient."""

    def __init__(self) -> None:
        self.active: list[str | None] = []
        self.weights: list[dict[str, torch.Tensor]] = []
        self.graded: list[set[str]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.active.append(engine.loss_function.active)
        self.weights.append(weights(engine.training_network))
        parts = engine.training_network.regressor.named_parameters()
        self.graded.append({name.partition(".")[0] for name, p in parts if p.grad is not None})


def trainer_of(network: Any, batches: Any, optimizer: Any, handlers: Any, **settings: Any) -> Any:
    loss = ReconBoostLoss(SD_DB, MEAN_DB, LABEL_WEIGHT)
    return toy_trainer(network, batches, optimizer, handlers, loss_function=loss, **settings)


def test_rounds_of_stages_and_rectification() -> None:
    stages = StagesHandler(stage_epochs=2, rectify_epochs=3)
    names = ["oct", "oct", "fundus", "fundus", None, None, None]
    assert [stages.active(epoch, ["oct", "fundus"]) for epoch in range(1, 15)] == names * 2


def test_without_rectification_the_modalities_alternate() -> None:
    stages = StagesHandler(stage_epochs=1, rectify_epochs=0)
    assert [stages.active(epoch, ["oct", "fundus"]) for epoch in range(1, 5)] == ["oct", "fundus"] * 2


def test_only_the_active_encoder_moves_under_adamw_with_weight_decay() -> None:
    """The others' gradients are None, not zero: neither decay nor momentum from earlier stages moves them."""
    network, epochs = late_network(SumFusion), Epochs()
    before = weights(network)
    optimizer = adamw(network, weight_decay=0.5)
    trainer_of(network, toy_batches(2), optimizer, [StagesHandler(1, 1), epochs], max_epochs=6).run()
    assert epochs.active == ["oct", "fundus", None] * 2
    for active, after, graded in zip(epochs.active, epochs.weights, epochs.graded, strict=True):
        learning = {"oct", "fundus"} if active is None else {active}
        assert graded == {f"{name}_{part}" for name in learning for part in ("encoder", "head")}
        moved = {n.split(".")[1] for n in before if not torch.equal(before[n], after[n])}
        assert moved == graded
        before = after


def test_the_conv3d_weights_follow_the_gradient_of_the_residual() -> None:
    """Stage of OCT: -lr times the gradient of (s_o - r)^2 + lambda (s_o - y)^2 written from the features; then rest."""
    network, epochs = late_network(SumFusion), Epochs()
    names = [n for n, w in network.named_parameters() if w.ndim == 5]
    (batch,) = toy_batches(1)
    optimizer = sgd(network, lr=0.1, momentum=0.0)
    trainer_of(network, [batch], optimizer, [StagesHandler(1, 1), epochs], max_epochs=3).run()
    fresh = late_network(SumFusion)
    net, y = fresh.regressor, (batch["label"] - MEAN_DB) / SD_DB
    s_oct = net.oct_head(net.oct_encoder(batch["image"]).mean(1))
    s_fundus = net.fundus_head(net.fundus_encoder(batch["fundus"]).mean(1)).detach()
    ((s_oct - (y - s_fundus)).square().mean() + LABEL_WEIGHT * (s_oct - y).square().mean()).backward()
    assert len(names) == 3
    for name in names:
        start = fresh.get_parameter(name)
        move = epochs.weights[0][name] - start.detach()
        assert float(move.abs().max()) > 1e-5
        torch.testing.assert_close(move, -0.1 * start.grad, rtol=1e-3, atol=1e-6)
        assert torch.equal(epochs.weights[1][name], epochs.weights[0][name])
        assert not torch.equal(epochs.weights[2][name], epochs.weights[1][name])


def test_a_batch_without_the_active_modality_moves_nothing() -> None:
    network, epochs = late_network(SumFusion), Epochs()
    batches = toy_batches(1, eyes={"oct": list(range(8))})
    trainer = trainer_of(network, batches, adamw(network, weight_decay=0.5), [StagesHandler(), epochs])
    trainer.run()
    assert epochs.active == ["oct"]
    assert trainer.state.output["skipped"] is False
    assert largest_difference(network, late_network(SumFusion)) == 0.0


def test_stopping_within_a_round_and_going_on_is_never_having_stopped(tmp_path: Path) -> None:
    def trained(folder: Path, max_epochs: int, resume: str | None = None) -> Any:
        network = late_network(SumFusion)
        handlers = [HandlerGroup([StagesHandler(1, 1)]), CheckpointHandler(str(folder), resume)]
        trainer_of(network, toy_batches(2), adamw(network), handlers, max_epochs=max_epochs).run()
        return network

    straight = trained(tmp_path / "straight", 4)
    trained(tmp_path / "parts", 1)
    assert largest_difference(trained(tmp_path / "parts", 4, str(tmp_path / "parts")), straight) == 0.0


@pytest.mark.parametrize(("name", "value"), [("stage_epochs", 0), ("stage_epochs", 1.5), ("rectify_epochs", -1)])
def test_an_argument_outside_its_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name}: found"):
        StagesHandler(**{name: value})


def test_a_loss_without_stages_is_refused() -> None:
    with pytest.raises(InputError, match="found the loss MultimodalRegressionLoss"):
        toy_trainer(toy_network(), toy_batches(1), handlers=[StagesHandler()]).run()
