"""Feature distribution smoothing in a training: when it acts, on what, and what it remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import Tensor

from bundle.handlers import CheckpointHandler, EpochSeedHandler, FeatureSmoothingHandler
from bundle.modulation import ModalityBudgetAscent
from tests.toy import largest_difference, toy_batches, toy_network, toy_trainer, weights

FDS: dict[str, Any] = {"bin_width_db": 4.0}  # several of the toy's eyes in a bin


class Features:
    """Pooled features of every pass, after the calibration; `pass` and `epoch` beside them."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        features = engine.state.output["outputs"]["features"]
        pooled = {name: part["h"].detach().mean(1) for name, part in features.items()}
        self.seen.append({"pass": engine.state.sam_pass, "epoch": engine.state.epoch, **pooled})


def train(epochs: int, handlers: list[Any], rho: float = 0.0, **settings: Any) -> Any:
    network = toy_network()
    batches = settings.pop("batches", toy_batches(2))
    trainer = toy_trainer(
        network, batches, handlers=handlers, max_epochs=epochs, ascent=ModalityBudgetAscent(rho), **settings
    )
    trainer.run()
    return trainer.network


def test_the_first_epoch_is_plain_training_and_the_second_is_not() -> None:
    for epochs, equal in ((1, True), (2, False)):
        difference = largest_difference(train(epochs, [FeatureSmoothingHandler(**FDS)]), train(epochs, []))
        assert (difference == 0) == equal


def test_a_kernel_of_one_bin_is_plain_training_bit_for_bit() -> None:
    assert largest_difference(train(3, [FeatureSmoothingHandler(kernel_size=1, **FDS)]), train(3, [])) == 0.0


def test_statistics_are_of_the_first_passs_features_before_calibration() -> None:
    """One epoch with the ascent: what was seen in the passes at w gives the means of the bins."""
    handler, features, batches = FeatureSmoothingHandler(**FDS), Features(), toy_batches(2)
    train(1, [handler, features], rho=0.05, batches=batches)
    assert [one["pass"] for one in features.seen] == ["first", "descent"] * 2
    z = torch.cat([one["oct"] for one in features.seen if one["pass"] == "first"]).double()
    bins = (
        torch.floor((torch.cat([batch["label"].flatten() for batch in batches]).double() + 33) / 4).clamp(0, 9).long()
    )
    smoothing = handler.smoothing["oct"]
    for b in range(10):
        assert bool(smoothing.filled_K[b]) == bool((bins == b).any())
        if (bins == b).any():
            torch.testing.assert_close(smoothing.mean_KC[b], z[bins == b].mean(0))


def test_both_passes_of_a_step_are_calibrated() -> None:
    """At radius almost 0 the two passes see the same features, in the calibrated epoch too."""
    features, plain = Features(), Features()
    train(2, [FeatureSmoothingHandler(**FDS), features], rho=1e-9)
    train(2, [plain], rho=1e-9)
    second = [one for one in features.seen if one["epoch"] == 2]
    torch.testing.assert_close(second[0]["oct"], second[1]["oct"], atol=1e-4, rtol=1e-4)
    untouched = [one for one in plain.seen if one["epoch"] == 2]
    assert float((second[1]["oct"] - untouched[1]["oct"]).abs().max()) > 1e-3


def test_inference_sees_no_calibration() -> None:
    batches = toy_batches(2)
    network = train(2, [FeatureSmoothingHandler(**FDS)], batches=batches)
    batch, bare = batches[0], toy_network()
    bare.load_state_dict(weights(network))
    assert network.feature_transform is not None
    with torch.no_grad():
        answers = [net.eval()(batch["image"], batch["fundus"])["pred"] for net in (network, bare)]
        assert torch.equal(*answers)
        assert torch.equal(network.regressor(batch["image"], batch["fundus"]), answers[0])


def test_eyes_without_the_image_enter_no_statistics_of_it() -> None:
    handler = FeatureSmoothingHandler(**FDS)
    batches = toy_batches(1, eyes={"oct": list(range(8))})
    batches[0]["image"][3] = toy_batches(1)[0]["image"][3]
    train(2, [handler], batches=batches)
    assert int(handler.smoothing["oct"].filled_K.sum()) == 1
    assert int(handler.smoothing["fundus"].filled_K.sum()) > 1


@pytest.mark.parametrize("lacks", ["oct", "fundus"])
def test_a_modality_that_nobody_has_is_no_obstacle(lacks: str) -> None:
    handler = FeatureSmoothingHandler(**FDS)
    train(2, [handler], batches=toy_batches(2, eyes={lacks: list(range(8))}))
    assert not bool(handler.smoothing[lacks].filled_K.any())


def test_a_skipped_step_leaves_nothing_in_the_statistics() -> None:
    batches = toy_batches(2)
    batches[1]["label"][2] = float("inf")
    broken, alone = FeatureSmoothingHandler(**FDS), FeatureSmoothingHandler(**FDS)
    train(1, [broken], batches=batches)
    train(1, [alone], batches=batches[:1])
    for name, smoothing in broken.smoothing.items():
        other = alone.smoothing[name].state_dict()
        assert all(torch.equal(value, other[key]) for key, value in smoothing.state_dict().items())


def test_a_resumed_training_equals_one_that_never_stopped(tmp_path: Path) -> None:
    def run(epochs: int, resume: str | None = None) -> tuple[Any, dict[str, Tensor]]:
        handler = FeatureSmoothingHandler(**FDS)
        checkpoint = CheckpointHandler(str(tmp_path / f"{epochs}{resume is None}"), resume)
        network = train(epochs, [EpochSeedHandler(0), handler, checkpoint])
        return network, handler.smoothing["oct"].state_dict()

    never = run(4)
    run(2)
    resumed = run(4, str(tmp_path / "2True"))
    assert largest_difference(never[0], resumed[0]) == 0.0
    assert all(torch.equal(value, resumed[1][name]) for name, value in never[1].items())


def test_statistics_change_once_an_epoch() -> None:
    handler, means = FeatureSmoothingHandler(**FDS), []

    class Watch:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(
                Events.ITERATION_COMPLETED, lambda _: means.append(handler.smoothing["oct"].mean_KC)
            )

    train(2, [handler, Watch()])
    assert [mean.shape[1] for mean in means] == [0, 0, 8, 8]
    assert torch.equal(means[2], means[3])
