"""AlternatingTrainer: a step of one modality is unimodal training, and nothing else moves."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from bundle.engines.skipped_steps import TrainingDivergedError
from bundle.handlers import CheckpointHandler, HistoryHandler
from bundle.modulation import ModalityBudgetAscent
from tests.toy import SD_DB, adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer, weights
from tests.toy_late import Steps, alternating_trainer, late_network


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Parts of the network of which some weight changed."""
    return {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_step_moves_the_encoder_and_head_of_its_modality_alone(norm: str) -> None:
    """With weight decay and momentum of AdamW, which move whatever has a gradient, even one of zeros."""
    network, steps = toy_network(norm=norm), Steps()
    before = weights(network.regressor)
    alternating_trainer(network, toy_batches(3), adamw(network, weight_decay=0.5), [steps]).run()
    assert steps.modalities == ["oct", "fundus"] * 3
    for modality, after in zip(steps.modalities, steps.weights, strict=True):
        assert moved(before, after) == {f"{modality}_encoder", f"{modality}_head"}
        before = after


def test_a_shared_head_moves_in_every_step() -> None:
    network, steps = late_network(shared_head=True), Steps()
    before = weights(network.regressor)
    alternating_trainer(network, toy_batches(2), adamw(network, weight_decay=0.5), [steps]).run()
    for modality, after in zip(steps.modalities, steps.weights, strict=True):
        assert moved(before, after) == {f"{modality}_encoder", "oct_head", "fundus_head"}
        before = after


@pytest.mark.parametrize("rho", [0.0, 0.05])
@pytest.mark.parametrize("modality", ["oct", "fundus"])
def test_alternating_with_separate_heads_is_unimodal_training_of_each(modality: str, rho: float) -> None:
    """Difference exactly 0 after eight batches, SGD with momentum, eyes without an image included."""
    batches, ascent = toy_batches(4, eyes={"fundus": [0, 3], "oct": [5]}), ModalityBudgetAscent(rho)
    together, alone = toy_network(), toy_network([modality])
    for part in ("encoder", "head"):
        getattr(alone, part)(modality).load_state_dict(getattr(together, part)(modality).state_dict())
    start = weights(alone.encoder(modality))
    alternating_trainer(together, batches, sgd(together), max_epochs=2, ascent=ascent).run()
    toy_trainer(alone, batches, sgd(alone), max_epochs=2, ascent=ascent).run()
    assert largest_difference(alone.encoder(modality), start) > 1e-3
    for part in ("encoder", "head"):
        assert largest_difference(getattr(together, part)(modality), getattr(alone, part)(modality)) == 0.0


def test_the_conv3d_weights_of_the_oct_encoder_are_trained_in_its_step_only() -> None:
    network, steps = late_network(shared_head=True), Steps()
    names = [f"oct_encoder.{name}" for name, w in network.encoder("oct").named_parameters() if w.ndim == 5]
    before = weights(network.regressor)
    alternating_trainer(network, toy_batches(1), adamw(network, weight_decay=0.5), [steps]).run()
    assert len(names) == 3
    for name in names:
        assert float((steps.weights[0][name] - before[name]).abs().max()) > 1e-5, name
        assert torch.equal(steps.weights[1][name], steps.weights[0][name]), name


class Events:
    """Names of the events of a training step, in their order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def attach(self, engine: Engine) -> None:
        for event in IterationEvents:
            engine.add_event_handler(event, lambda _, name=event.value: self.seen.append(name))


@pytest.mark.parametrize(("rho", "passes"), [(0.0, 1), (0.05, 2)])
def test_events_fire_once_a_step_and_a_batch_counts_one_pass_of_all_encoders(rho: float, passes: int) -> None:
    events, network = Events(), toy_network()
    trainer = alternating_trainer(network, toy_batches(1), handlers=[events], ascent=ModalityBudgetAscent(rho))
    trainer.run()
    step = ["forward_completed", "loss_completed"] * passes + ["backward_completed", "model_completed"]
    assert events.seen == step * 2
    assert trainer.state.output["scalars"]["gradient_passes"] == passes


def test_loss_of_a_batch_is_the_mean_over_its_steps(tmp_path: Path) -> None:
    network = toy_network()
    (batch,) = toy_batches(1)
    outputs = network(batch["image"], batch["fundus"])
    expected = [float((((outputs[f"pred_{name}"] - batch["label"]) / SD_DB) ** 2).mean()) for name in ("oct", "fundus")]
    trainer = alternating_trainer(network, [batch], handlers=[HistoryHandler(str(tmp_path))])
    trainer.run()
    (row,) = trainer.state.history.rows
    assert row["train_loss"] == pytest.approx(sum(expected) / 2, rel=1e-5)
    assert "loss_fused" not in row


def test_accumulation_is_refused() -> None:
    with pytest.raises(ValueError, match="accumulation_steps is 2; expected 1"):
        alternating_trainer(toy_network(), toy_batches(2), accumulation_steps=2)


# ---- what is missing or not finite -----------------------------------------------------------------------------------


def spoiled(batch: dict) -> dict:
    """One voxel of one eye is NaN: not a missing image, which is NaN everywhere."""
    batch["image"][3, 0, 0, 0, 0] = float("nan")
    return batch


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_nan_in_one_modality_skips_its_step_alone(norm: str, tmp_path: Path) -> None:
    network, steps, reference = toy_network(norm=norm), Steps(), toy_network(norm=norm)
    batches = [spoiled(toy_batches(1)[0])]
    trainer = alternating_trainer(network, batches, handlers=[steps, HistoryHandler(str(tmp_path))])
    trainer.run()
    alternating_trainer(reference, toy_batches(1)).run()
    assert steps.skipped == [True, False]
    assert trainer.state.history.rows[0]["skipped_steps"] == 1
    assert largest_difference(network.encoder("oct"), toy_network(norm=norm).encoder("oct")) == 0.0
    assert largest_difference(network.encoder("fundus"), reference.encoder("fundus")) == 0.0
    assert largest_difference(network.encoder("fundus"), toy_network(norm=norm).encoder("fundus")) > 1e-5


def test_a_modality_that_is_never_finite_stops_the_training_although_the_other_goes_on() -> None:
    network = toy_network()
    trainer = alternating_trainer(network, [spoiled(batch) for batch in toy_batches(6)], max_skipped=3)
    with pytest.raises(TrainingDivergedError, match="3 steps in a row"):
        trainer.run()
    assert trainer.state.iteration == 3


@pytest.mark.parametrize("missing", ["oct", "fundus"])
def test_a_modality_that_no_eye_of_the_batch_has_makes_no_step(missing: str) -> None:
    network, steps = toy_network(), Steps()
    batches = toy_batches(1, eyes={missing: list(range(8))})
    trainer = alternating_trainer(network, batches, adamw(network, weight_decay=0.5), [steps])
    trainer.run()
    other = {"oct": "fundus", "fundus": "oct"}[missing]
    assert steps.modalities == [other]
    assert moved(weights(toy_network().regressor), steps.weights[0]) == {f"{other}_encoder", f"{other}_head"}
    assert trainer.state.output["skipped"] is False


def test_stopping_and_going_on_is_never_having_stopped(tmp_path: Path) -> None:
    def trained(folder: Path, max_epochs: int, resume: str | None = None) -> Any:
        network = toy_network(norm="batch", dropout=0.2)
        torch.manual_seed(0 if resume is None else 99)
        handlers = [CheckpointHandler(str(folder), resume)]
        alternating_trainer(network, toy_batches(3), handlers=handlers, max_epochs=max_epochs).run()
        return network

    straight = trained(tmp_path / "straight", 4)
    trained(tmp_path / "parts", 2)
    resumed = trained(tmp_path / "parts", 4, resume=str(tmp_path / "parts"))
    assert largest_difference(resumed, straight) == 0.0
