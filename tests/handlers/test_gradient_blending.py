"""Gradient blending: the weights by hand, when they change, and what they change."""

import doctest
import math
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Engine, Events

from bundle.errors import InputError
from bundle.handlers import CheckpointHandler, GradientBlendingHandler, HistoryHandler
from bundle.handlers import gradient_blending as module
from bundle.handlers.gradient_blending import VALIDATION, blend_weights
from bundle.losses import BlendedRegressionLoss
from tests.toy import SD_DB, largest_difference, toy_batches, toy_network, toy_trainer

NAMES = ("fused", "oct", "fundus")
THIRDS = dict.fromkeys(NAMES, 1 / 3)
# validation MSE, dB^2, by epoch
FIGURES = {
    "val_mse": [14, 12, 11, 9, 8.5, 8.4], "val_oct_mse": [15, 14, 12, 12, 11, 10],
    "val_fundus_mse": [16, 15.5, 15, 14, 13.5, 13.6],
}  # fmt: skip


def named(*values: float) -> dict[str, float]:
    return dict(zip(NAMES, values, strict=True))


class Figures:
    """Stands for validation: metrics of an epoch from a table."""

    def __init__(self, figures: dict[str, list[float]]) -> None:
        self.figures, self.engine = figures, Engine(lambda *_: None)

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.engine.state.epoch = engine.state.epoch
        self.engine.state.metrics = {name: values[engine.state.epoch - 1] for name, values in self.figures.items()}


def trained(
    folder: Path, epochs: int = 6, resume: bool = False, figures: dict[str, list[float]] | None = None, **settings: Any
) -> Any:
    validation = Figures(figures or FIGURES)
    blending = GradientBlendingHandler(**({"super_epoch": 2} | settings))
    checkpoint = CheckpointHandler(str(folder), str(folder) if resume else None)
    handlers = [blending, validation, HistoryHandler(str(folder), validation.engine), checkpoint]
    trainer = toy_trainer(
        toy_network(), toy_batches(2), handlers=handlers, max_epochs=epochs,
        loss_function=BlendedRegressionLoss(SD_DB, THIRDS),
    )  # fmt: skip
    trainer.run()
    return trainer


def weights_by_epoch(trainer: Any) -> list[dict[str, float]]:
    return [{k: row[f"weight_{k}"] for k in NAMES} for row in trainer.state.history]


def expected(rows: list[dict[str, float]], before: int, now: int) -> dict[str, float] | None:
    """Weights from two epochs' rows, the formula written out."""
    gain, growth = {}, {}
    for k in NAMES:
        v, t = ([row[c] for row in rows] for c in (VALIDATION[k], f"loss_{k}"))
        gain[k] = (v[before - 1] - v[now - 1]) / SD_DB**2
        growth[k] = (v[now - 1] / SD_DB**2 - t[now - 1]) - (v[before - 1] / SD_DB**2 - t[before - 1])
    return blend_weights(gain, growth)


# ---- the formula -----------------------------------------------------------------------------------------------------


def test_weights_of_the_worked_example():
    """G = (.2, .1, .1), O = (.2, .1, .4): raw 5, 10 and 0.625."""
    found = blend_weights(named(0.2, 0.1, 0.1), named(0.2, 0.1, 0.4))
    assert found == pytest.approx(named(0.32, 0.64, 0.04))


def test_the_example_runs():
    result = doctest.testmod(module)
    assert (result.failed, result.attempted) == (0, 2)


def test_equal_gains_and_growths_give_equal_weights():
    assert blend_weights(named(0.3, 0.3, 0.3), named(0.2, 0.2, 0.2)) == pytest.approx(THIRDS)


def test_a_gap_that_shrinks_counts_as_the_floor():
    found = blend_weights(named(0.1, 0.1, 0.1), named(-0.5, 0.1, 0.0), growth_floor=0.05)
    assert found == pytest.approx(blend_weights(named(0.1, 0.1, 0.1), named(0.05, 0.1, 0.05)))


def test_a_validation_error_that_rose_counts_as_the_floor():
    found = blend_weights(named(0.1, -0.2, 0.1), named(0.1, 0.1, 0.1), gain_floor=0.001)
    assert found == pytest.approx(named(0.1 / 0.201, 0.001 / 0.201, 0.1 / 0.201))


@pytest.mark.parametrize("gain", [named(-0.1, 0.0, -0.3), named(0.1, math.nan, 0.1)])
def test_without_any_gain_or_with_a_number_missing_there_are_no_new_weights(gain):
    assert blend_weights(gain, named(0.1, 0.1, 0.1)) is None


def test_weights_ignore_a_common_unit():
    gain, growth = named(0.3, 0.2, 0.1), named(0.2, 0.3, 0.4)
    scaled = ({k: 7 * v for k, v in x.items()} for x in (gain, growth))
    assert blend_weights(*scaled) == pytest.approx(blend_weights(gain, growth))


# ---- in training -----------------------------------------------------------------------------------------------------


def test_weights_follow_the_history_and_change_at_super_epochs_only(tmp_path):
    """The first comparison is with epoch 1; from then on every second epoch."""
    trainer = trained(tmp_path)
    rows, weights = trainer.state.history.rows, weights_by_epoch(trainer)
    assert weights[0] == weights[1] == pytest.approx(THIRDS)
    assert weights[2] == weights[3] == pytest.approx(expected(rows, 1, 2))
    assert weights[4] == weights[5] == pytest.approx(expected(rows, 2, 4))
    assert weights[4] != pytest.approx(weights[2], abs=0.01)
    assert trainer.loss_function.weights == pytest.approx(weights[5])


def test_train_error_of_each_head_is_the_epochs_mean(tmp_path):
    errors: list[dict[str, float]] = []

    class Keep:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: errors.append(e.state.output["errors"]))

    validation = Figures(FIGURES)
    handlers = [GradientBlendingHandler(), Keep(), HistoryHandler(str(tmp_path), validation.engine)]
    trainer = toy_trainer(
        toy_network(), toy_batches(3), handlers=handlers, loss_function=BlendedRegressionLoss(SD_DB, THIRDS)
    )
    trainer.run()
    for name in ("oct", "fundus"):
        assert trainer.state.history.rows[0][f"loss_{name}"] == pytest.approx(sum(e[name] for e in errors) / 3)


def test_weights_of_one_are_multi_loss_bit_for_bit(tmp_path):
    batches, networks = toy_batches(2), [toy_network(), toy_network()]
    blended = BlendedRegressionLoss(SD_DB, dict.fromkeys(NAMES, 1.0))
    handlers = [GradientBlendingHandler(super_epoch=10), HistoryHandler(str(tmp_path), Figures(FIGURES).engine)]
    toy_trainer(networks[0], batches, handlers=handlers, loss_function=blended, max_epochs=3).run()
    toy_trainer(networks[1], batches, unimodal_weight=1.0, max_epochs=3).run()
    assert largest_difference(*networks) == 0.0


def test_an_epoch_without_validation_figures_changes_nothing(tmp_path):
    figures = {name: [*values[:3], math.nan, *values[4:]] for name, values in FIGURES.items()}
    trainer = trained(tmp_path, figures=figures)
    weights = weights_by_epoch(trainer)
    assert weights[4] == weights[2]
    assert trainer.attached_handlers[0].before["validation"]["fused"] == 12 / SD_DB**2


def test_no_head_that_improves_keeps_the_weights(tmp_path):
    figures = {name: [10.0, 11.0, 12.0, 13.0] for name in FIGURES}
    assert weights_by_epoch(trained(tmp_path, 4, figures=figures))[-1] == pytest.approx(THIRDS)


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_resume_at_an_epochs_end_is_never_having_stopped(tmp_path, stop):
    straight = trained(tmp_path / "a")
    trained(tmp_path / "b", stop)
    resumed = trained(tmp_path / "b", resume=True)
    assert weights_by_epoch(resumed) == weights_by_epoch(straight)
    assert largest_difference(straight.network, resumed.network) == 0.0


def test_a_loss_without_weights_is_refused():
    trainer = toy_trainer(toy_network(), toy_batches(1), handlers=[GradientBlendingHandler()])
    with pytest.raises(InputError, match="expected BlendedRegressionLoss"):
        trainer.run()


@pytest.mark.parametrize(("name", "value"), [("super_epoch", 0), ("gain_floor", 0.0), ("growth_floor", -1.0)])
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=rf"^{name}: found"):
        GradientBlendingHandler(**{name: value})
