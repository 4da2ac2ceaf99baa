"""What happens at an epoch's end: seeds, history, the best model, early stopping, progress, final test."""

import logging
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events

from bundle.deploy.model_folder import load_model
from bundle.errors import InputError
from bundle.handlers import EpochSeedHandler, FinalTestHandler, HistoryHandler, LoadWeightsHandler, ProgressHandler
from bundle.reporting.history import History
from tests.handlers.training import training, without_time
from tests.toy import largest_difference, toy_batches, toy_network, toy_regressor, toy_trainer

# ---- seeds ---------------------------------------------------------------------------------------------------------


def draws(seed: int, epochs: int, before: int = 0) -> list[tuple[float, ...]]:
    """One draw of each generator in every epoch, after `before` draws of something else."""
    drawn = []
    engine = Engine(lambda *_: None)
    EpochSeedHandler(seed).attach(engine)

    @engine.on(Events.ITERATION_COMPLETED)
    def draw() -> None:
        drawn.append((random.random(), float(np.random.random()), float(torch.rand(1))))  # noqa: NPY002
        torch.rand(before)

    engine.run([0], max_epochs=epochs)
    return drawn


def test_random_numbers_of_an_epoch_depend_on_seed_and_epoch_alone() -> None:
    assert draws(0, 3) == draws(0, 3, before=5)
    assert draws(0, 3) != draws(1, 3)
    assert len({value for row in draws(0, 3) for value in row}) == 9


def test_dataset_and_sampler_are_told_the_epoch() -> None:
    told: list[int] = []
    listener = SimpleNamespace(set_epoch=told.append)
    engine = Engine(lambda *_: None)
    EpochSeedHandler(0, dataset=listener, sampler=None).attach(engine)
    engine.run([0], max_epochs=3)
    assert told == [1, 2, 3]


# ---- history -------------------------------------------------------------------------------------------------------


def test_history_rows_hold_means_of_finite_scalars_and_validation(tmp_path: Path) -> None:
    trainer = training(tmp_path, max_epochs=2, values=[9.0, 7.0])
    losses: list[float] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: losses.append(e.state.output["scalars"]["loss"]))
    trainer.run()
    rows = trainer.state.history.rows
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["val_mse"] for row in rows] == [9.0, 7.0]
    assert [row["train_loss"] for row in rows] == pytest.approx([np.mean(losses[:2]), np.mean(losses[2:])])
    assert [row["skipped_steps"] for row in rows] == [0, 0]
    assert rows[0]["lr"] == pytest.approx(2e-3)
    assert rows[1]["lr"] < rows[0]["lr"]
    assert rows[1].keys() >= {
        "k_oct",
        "error_fundus",
        "share_fusion",
        "sharpness_oct",
        "cosine_fundus",
        "contrast_oct",
        "rho",
    }
    assert History.from_csv(tmp_path / "history.csv").column("val_mse").tolist() == [9.0, 7.0]


def test_resumed_history_replaces_rows_and_keeps_the_others(tmp_path: Path) -> None:
    training(tmp_path, max_epochs=3, save_interval=2, values=[9.0, 8.0, 7.0]).run()
    resumed = training(tmp_path, max_epochs=3, save_interval=2, values=[9.0, 8.0, 5.0], resume=str(tmp_path))
    resumed.run()
    assert History.from_csv(tmp_path / "history.csv").column("val_mse").tolist() == [9.0, 8.0, 5.0]
    assert [row["val_mse"] for row in without_time(resumed)] == [9.0, 8.0, 5.0]


def test_skipped_steps_are_counted(tmp_path: Path) -> None:
    batches = toy_batches(3)
    batches[1]["label"][0] = float("nan")
    history = HistoryHandler(str(tmp_path))
    toy_trainer(toy_network(), batches, handlers=[history]).run()
    assert history.history.rows[0]["skipped_steps"] == 1
    assert np.isfinite(history.history.rows[0]["train_loss"])


# ---- best model ----------------------------------------------------------------------------------------------------


def test_best_model_is_of_the_epoch_with_the_lowest_error(tmp_path: Path) -> None:
    weights: list[dict] = []
    trainer = training(tmp_path, values=[9.0, 5.0, float("nan"), 6.0])
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda e: weights.append(
        {k: v.clone() for k, v in e.network.regressor.state_dict().items()}))  # fmt: skip
    trainer.run()
    network, description = load_model(tmp_path)
    assert description["selection"] == {"epoch": 2, "val_mse": 5.0}
    assert description["version"] == "test"
    assert largest_difference(network, weights[1]) == 0.0
    assert largest_difference(network, weights[3]) > 1e-6


def test_best_model_survives_a_resume(tmp_path: Path) -> None:
    training(tmp_path, max_epochs=2, values=[9.0, 5.0]).run()
    training(tmp_path, max_epochs=3, values=[9.0, 5.0, 6.0], resume=str(tmp_path)).run()
    assert load_model(tmp_path)[1]["selection"]["epoch"] == 2


def test_resuming_into_another_folder_chooses_among_the_epochs_to_come(tmp_path: Path) -> None:
    """The file of the earlier best epoch is not there."""
    training(tmp_path / "a", max_epochs=2, values=[9.0, 5.0]).run()
    training(tmp_path / "b", max_epochs=3, values=[9.0, 5.0, 6.0], resume=str(tmp_path / "a")).run()
    assert load_model(tmp_path / "b")[1]["selection"] == {"epoch": 3, "val_mse": 6.0}


# ---- early stopping ------------------------------------------------------------------------------------------------


def test_training_stops_after_patience_epochs_without_a_better_value(tmp_path: Path) -> None:
    trainer = training(tmp_path, max_epochs=9, patience=2, values=[5.0, 4.0, 4.5, 4.1, 1.0, 1.0, 1.0, 1.0, 1.0])
    trainer.run()
    assert trainer.state.epoch == 4


def test_patience_zero_never_stops(tmp_path: Path) -> None:
    trainer = training(tmp_path, max_epochs=4, values=[1.0, 2.0, 3.0, 4.0])
    trainer.run()
    assert trainer.state.epoch == 4


def test_values_that_are_not_finite_count_as_no_better(tmp_path: Path) -> None:
    trainer = training(tmp_path, max_epochs=6, patience=2, values=[5.0, *[float("nan")] * 5])
    trainer.run()
    assert trainer.state.epoch == 3


def test_epochs_without_validation_do_not_count(tmp_path: Path) -> None:
    """val_interval 2: patience 2 is two validations."""
    values = [0.0, 5.0, 0.0, 6.0, 0.0, 6.0, 0.0, 6.0]
    trainer = training(tmp_path, max_epochs=8, patience=2, values=values, interval=2)
    trainer.run()
    assert trainer.state.epoch == 6


def test_a_column_that_validation_does_not_give_is_an_error(tmp_path: Path) -> None:
    trainer = training(tmp_path, patience=2)
    next(h for h in trainer.attached_handlers if type(h).__name__ == "EarlyStopHandler").metric = "val_mae"
    with pytest.raises(KeyError, match="val_mae"):
        trainer.run()


def test_patience_goes_on_counting_after_a_resume(tmp_path: Path) -> None:
    values = [5.0, 6.0, 6.0, 6.0, 6.0, 6.0]
    training(tmp_path, max_epochs=2, patience=3, values=values).run()
    resumed = training(tmp_path, max_epochs=6, patience=3, values=values, resume=str(tmp_path))
    resumed.run()
    assert resumed.state.epoch == 4


def test_a_stopped_training_stays_stopped(tmp_path: Path) -> None:
    values = [5.0, 6.0, 6.0, 1.0, 1.0]
    stopped = training(tmp_path, max_epochs=5, patience=2, values=values)
    stopped.run()
    resumed = training(tmp_path, max_epochs=5, patience=2, values=values, resume=str(tmp_path))
    completed: list[int] = []
    resumed.add_event_handler(Events.COMPLETED, lambda engine: completed.append(engine.state.epoch))
    resumed.run()
    assert completed == [3]
    assert largest_difference(resumed.network, stopped.network) == 0.0


# ---- the end -------------------------------------------------------------------------------------------------------


def test_final_test_uses_the_best_weights_once(tmp_path: Path) -> None:
    runs: list[dict] = []

    class Evaluator:
        network = toy_regressor(seed=5, norm="batch", dropout=0.2)

        def run(self) -> None:
            runs.append({k: v.clone() for k, v in self.network.state_dict().items()})

    report: Any = SimpleNamespace(history=None, summary=lambda: {"mse": 3.0})
    final = FinalTestHandler(Evaluator(), str(tmp_path / "model.pt"), report)
    trainer = training(tmp_path, max_epochs=3, values=[4.0, 3.0, 5.0], extra_handlers=[final])
    trainer.run()
    assert len(runs) == 1
    assert largest_difference(runs[0], load_model(tmp_path)[0]) == 0.0
    assert report.history is trainer.state.history
    assert trainer.state.test_metrics == {"mse": 3.0}


def test_no_model_to_test_is_told_in_one_line(tmp_path: Path) -> None:
    """val_interval larger than max_epochs, or an error that was never finite."""
    final = FinalTestHandler(SimpleNamespace(), str(tmp_path / "model.pt"))
    with pytest.raises(InputError, match="val_interval"):
        training(tmp_path, max_epochs=2, values=[float("nan")] * 2, extra_handlers=[final]).run()


def test_without_a_terminal_progress_is_a_line_an_epoch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="bundle.handlers.progress"):
        training(tmp_path, max_epochs=3, values=[4.0, 3.0, 5.0], extra_handlers=[ProgressHandler(every=2)]).run()
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("progress")]
    assert [line.rsplit(",", 1)[0] for line in lines] == [
        "epoch 2/3: val_mse 3.00 dB^2, best in epoch 2", "epoch 3/3: val_mse 5.00 dB^2, best in epoch 2",
    ]  # fmt: skip


def test_loaded_weights_replace_the_networks_and_foreign_ones_are_refused(tmp_path: Path) -> None:
    source, target = toy_regressor(seed=1), toy_regressor(seed=2)
    engine = Engine(lambda *_: None)
    torch.save(source.state_dict(), tmp_path / "model.pt")
    LoadWeightsHandler(str(tmp_path / "model.pt"), target).attach(engine)
    engine.state.device = torch.device("cpu")
    engine.run([0])
    assert largest_difference(source, target) == 0.0
    for name, content in (("other", toy_regressor(["oct"]).state_dict()), ("list", [1]), ("number", 3)):
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(InputError, match=f"{name}.pt: weights of another network"):
            LoadWeightsHandler(str(tmp_path / f"{name}.pt"), target)(engine)
    with pytest.raises(InputError, match="no such file"):
        LoadWeightsHandler(str(tmp_path / "absent.pt"), target)(engine)
