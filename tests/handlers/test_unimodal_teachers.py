"""UMT: the teachers are plain unimodal trainings, frozen, kept over a resume; the term is their distance."""

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch.utils.data import DataLoader

from bundle.engines.skipped_steps import TrainingDivergedError
from bundle.errors import InputError
from bundle.handlers import EpochSeedHandler, HistoryHandler, UnimodalTeachersHandler
from bundle.modulation import SAMAscent
from tests.handlers.training import Eyes, training
from tests.toy import MEAN_DB, SD_DB, adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer, weights


def student(handler: Any, epochs: int = 2, folder: Path | None = None, **settings: Any) -> Any:
    """A run on 16 eyes with shuffling, noise by epoch and dropout."""
    network, eyes = toy_network(probe_heads=True, dropout=0.2), Eyes()
    handlers = [EpochSeedHandler(0, dataset=eyes), handler, *([HistoryHandler(str(folder))] if folder else [])]
    if handler is not None:
        handler.seeds = EpochSeedHandler(0, dataset=eyes)
    loader = DataLoader(eyes, 8, shuffle=True)
    return toy_trainer(network, loader, handlers=[h for h in handlers if h], max_epochs=epochs, **settings)


@pytest.mark.parametrize("optimiser", [sgd, adamw])
@pytest.mark.parametrize("modality", ["oct", "fundus"])
def test_a_teacher_is_a_plain_unimodal_training(modality: str, optimiser: Any) -> None:
    batches, network = [*toy_batches(2), *toy_batches(1, seed=5)], toy_network(probe_heads=True)
    batches += toy_batches(1, seed=6, eyes={"oct": [*range(8)]}) + toy_batches(1, seed=7, eyes={"fundus": [*range(8)]})
    batches += toy_batches(1, seed=8, eyes={"oct": [1, 2], "fundus": [5]})
    encoder, head = copy.deepcopy(network.encoder(modality)), copy.deepcopy(network.head(modality))
    handler = UnimodalTeachersHandler(epochs=4, weight=0.5)
    toy_trainer(network, batches, optimiser(network, lr=0.01), [handler]).run()

    plain = torch.nn.ModuleDict({"encoder": encoder, "head": head})
    kind = {sgd: (torch.optim.SGD, {"momentum": 0.9}), adamw: (torch.optim.AdamW, {"weight_decay": 1e-2, "eps": 1e-4})}
    cls, options = kind[optimiser]
    optimizer = cls(plain.parameters(), lr=0.01, **options)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    for _ in range(4):
        for batch in batches:
            x = batch["image" if modality == "oct" else "fundus"]
            has = ~x.flatten(1).isnan().any(1)
            if has.any():
                h = torch.zeros(len(x), 8)  # a sum over 7 eyes and one over 8 would be rounded differently
                h[has] = encoder(x[has]).mean(1)
                squared = ((head(h) * SD_DB + MEAN_DB - batch["label"]) / SD_DB) ** 2
                optimizer.zero_grad()
                (squared.masked_fill(~has.unsqueeze(1), 0.0).sum() / has.sum()).backward()
                optimizer.step()
        scheduler.step()
    assert largest_difference(getattr(handler.teachers, f"{modality}_encoder"), encoder) == 0.0
    assert largest_difference(getattr(handler.teachers, f"{modality}_head"), head) == 0.0
    assert largest_difference(encoder, network.encoder(modality)) > 1e-3


def test_a_batch_without_an_image_leaves_that_teachers_weights_alone() -> None:
    batches = toy_batches(1) + toy_batches(2, seed=6, eyes={"oct": [*range(8)]})
    teachers = []
    for count in (1, 3):
        network, handler = toy_network(probe_heads=True), UnimodalTeachersHandler(epochs=1)
        toy_trainer(network, batches[:count], adamw(network, weight_decay=0.5), [handler]).run()
        teachers.append(handler.teachers)
    for part in ("oct_encoder", "oct_head"):
        assert largest_difference(*(getattr(one, part) for one in teachers)) == 0.0
    assert largest_difference(*(one.fundus_encoder for one in teachers)) > 0.0


def test_weight_zero_trains_no_teacher_and_is_plain_fusion_bit_for_bit() -> None:
    handler = UnimodalTeachersHandler(epochs=2, weight=0.0)
    runs = [student(handler), student(None)]
    for run in runs:
        run.run()
    assert handler.teachers is None
    assert largest_difference(runs[0].network, runs[1].network) == 0.0


def test_the_teachers_training_changes_no_random_number_of_the_students() -> None:
    """With a weight too small to change a bit, the student is plain fusion, though there are teachers."""
    handler = UnimodalTeachersHandler(epochs=3, weight=1e-30)
    runs = [student(handler), student(None)]
    for run in runs:
        run.run()
    assert handler.teachers is not None
    assert largest_difference(runs[0].network, runs[1].network) == 0.0


def test_term_is_the_mean_squared_distance_to_the_teachers() -> None:
    """In both passes of a sharpness-aware step, by NumPy, over the eyes that have the image."""
    batch = toy_batches(1, eyes={"oct": [2], "fundus": [0, 7]})[0]
    seen: list[dict[str, Any]] = []

    class Keep:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

        def __call__(self, engine: Any) -> None:
            output = engine.state.output
            h = {m: f["h"].detach().mean(1).numpy() for m, f in output["outputs"]["features"].items()}
            aux = {m: float(v.detach()) for m, v in output["aux_losses"].items()}
            total = float(output["losses"]["total"].detach())
            seen.append({"h": h, "aux": aux, "added": float(output["loss"].detach()) - total})

    network, handler = toy_network(probe_heads=True), UnimodalTeachersHandler(epochs=2, weight=3.0)
    toy_trainer(network, [batch], handlers=[handler, Keep()], ascent=SAMAscent(0.05)).run()
    assert len(seen) == 2
    eyes = {"oct": [0, 1, 3, 4, 5, 6, 7], "fundus": [1, 2, 3, 4, 5, 6]}
    for one in seen:
        terms = {}
        for name, rows in eyes.items():
            x = batch["image" if name == "oct" else "fundus"][rows]
            with torch.no_grad():
                target = getattr(handler.teachers, f"{name}_encoder")(x).mean(1).numpy()
            terms[name] = 3.0 * float(np.mean((one["h"][name][rows] - target) ** 2))
            assert one["aux"][name] == pytest.approx(terms[name], rel=1e-4)
        assert one["added"] == pytest.approx(sum(terms.values()), rel=1e-4)
    assert seen[0]["aux"] != seen[1]["aux"]


def test_a_large_weight_draws_the_encoders_to_their_teachers() -> None:
    distances = []
    for weight in (1e-30, 30.0):
        network, handler = toy_network(probe_heads=True), UnimodalTeachersHandler(epochs=3, weight=weight)
        trainer = toy_trainer(network, toy_batches(4), adamw(network, lr=5e-3), handlers=[handler], max_epochs=8)
        trainer.run()
        distances.append({m: trainer.state.output["scalars"][f"distillation_{m}"] for m in ("oct", "fundus")})
    assert all(distances[1][m] < 0.5 * distances[0][m] for m in ("oct", "fundus"))


def test_teachers_stand_still_while_the_student_learns() -> None:
    handler, before = UnimodalTeachersHandler(epochs=2, weight=1.0), {}

    class Keep:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(Events.EPOCH_STARTED, lambda _: before.update(weights(handler.teachers)))

    network = toy_network(probe_heads=True, norm="batch", dropout=0.2)
    toy_trainer(network, toy_batches(3), handlers=[handler, Keep()]).run()
    assert largest_difference(weights(handler.teachers), before) == 0.0
    assert not any(module.training for module in handler.teachers.modules())
    assert not any(p.requires_grad or p.grad is not None for p in handler.teachers.parameters())


def test_the_datasets_epoch_is_the_students_again_after_the_teachers() -> None:
    handler = UnimodalTeachersHandler(epochs=3)
    run = student(handler, epochs=1)
    run.run()
    assert int(run.data_loader.dataset.epoch) == 1


def test_resume_does_not_train_the_teachers_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def handler() -> list[Any]:
        return [UnimodalTeachersHandler(epochs=2)]

    straight = training(tmp_path / "a", max_epochs=4, extra_handlers=handler())
    straight.run()
    training(tmp_path / "b", max_epochs=2, extra_handlers=handler()).run()
    caplog.clear()  # an earlier test may have left the logger at INFO
    with caplog.at_level(logging.INFO, logger="bundle"):
        resumed = training(tmp_path / "b", max_epochs=4, resume=str(tmp_path / "b"), extra_handlers=handler())
        resumed.run()
    assert not [line for line in caplog.messages if "teachers" in line]
    assert largest_difference(straight.network, resumed.network) == 0.0
    rows = [[row["gradient_passes"] for row in one.state.history] for one in (straight, resumed)]
    assert rows[0] == rows[1]


def test_the_teachers_passes_are_counted_once(tmp_path: Path) -> None:
    """Two batches an epoch: 3 epochs of teachers are 6 passes, on top of the epoch's own 2."""
    run = student(UnimodalTeachersHandler(epochs=3), folder=tmp_path)
    run.run()
    passes = [row["gradient_passes"] * run.state.epoch_length for row in run.state.history]
    assert passes == pytest.approx([8.0, 2.0])


def test_training_of_the_teachers_tells_the_time_left(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="bundle"):
        student(UnimodalTeachersHandler(epochs=25), epochs=1).run()
    lines = [line for line in caplog.messages if line.startswith("unimodal teachers")]
    assert 10 <= len(lines) <= 14
    assert "epoch 25/25" in lines[-1]
    assert "s left" in lines[-1]


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.handlers.unimodal_teachers.world_size", lambda: 2)
    with pytest.raises(InputError, match="found 2 processes"):
        student(UnimodalTeachersHandler(epochs=1)).run()


def test_teachers_that_diverge_stop_the_training() -> None:
    network = toy_network(probe_heads=True)
    trainer = toy_trainer(network, toy_batches(2), sgd(network, lr=1e30), [UnimodalTeachersHandler(epochs=3)])
    with pytest.raises(TrainingDivergedError, match="teachers"):
        trainer.run()


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("epochs", 1.5), ("weight", -1.0)])
def test_an_argument_outside_its_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name}: found"):
        UnimodalTeachersHandler(**({"epochs": 1} | {name: value}))
