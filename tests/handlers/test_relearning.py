"""Re-learning: when, how far, from where, missing eyes and labels, and resuming."""

from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bundle.errors import InputError
from bundle.handlers import HandlerGroup, RelearningHandler
from bundle.weights import load_weights_only
from tests.toy import adamw, largest_difference, toy_batches, toy_network, toy_trainer, weights


def handler(every=1, kind=RelearningHandler, **settings):
    return kind(toy_batches(3), toy_batches(2, seed=9), every=every, **settings)


class Forced(RelearningHandler):
    """Given gaps."""

    def diagnose(self, engine):
        return {"oct": 0.5, "fundus": 0.0}


class Weights:
    """The network's weights at each epoch's start, before and behind what it is attached around."""

    def __init__(self):
        self.seen = []

    def attach(self, engine):
        engine.add_event_handler(Events.EPOCH_STARTED, lambda e: self.seen.append(weights(e.training_network)))


def trained(model, handlers, epochs=2, optimizer=None, **kwargs):
    trainer = toy_trainer(
        model, kwargs.pop("batches", toy_batches(3)), optimizer, handlers, max_epochs=epochs, **kwargs
    )
    trainer.run()
    return trainer


def network(**encoder):
    return toy_network(probe_heads=True, **encoder)


def part(state, modality):
    return {name: value for name, value in state.items() if name.startswith(f"regressor.{modality}_encoder")}


def test_strength_zero_is_plain_fusion_exactly():
    models = [network(norm="batch", dropout=0.2), network(norm="batch", dropout=0.2)]
    for model, handlers in zip(models, ([], [handler(strength=0.0)]), strict=True):
        torch.manual_seed(3)
        trained(model, handlers, epochs=3)
    assert largest_difference(*models) == 0.0


def test_a_large_strength_restores_the_initial_encoder_bit_for_bit():
    """tanh(100 * .5) = 1; a gap of 0 leaves the other encoder, and neither fusion nor heads are touched."""
    before, after, model = Weights(), Weights(), network(norm="batch")
    start = weights(model)
    trained(model, [before, handler(kind=Forced, strength=100.0), after])
    for modality, is_reset in (("oct", True), ("fundus", False)):
        old, new = part(before.seen[1], modality), part(after.seen[1], modality)
        reference = part(start, modality) if is_reset else old
        names = [name for name in old if not name.endswith("num_batches_tracked")]
        assert all(torch.equal(new[name], reference[name]) for name in names)
        assert max(float((new[name] - part(start, modality)[name]).abs().max()) for name in names) > 0 or is_reset
    rest = [name for name in start if "_encoder" not in name]
    assert all(torch.equal(before.seen[1][name], after.seen[1][name]) for name in rest)


def test_share_hand_value():
    """P = .5, lambda = 2: a = tanh(1) = .76159."""
    before, after, model = Weights(), Weights(), network()
    start = weights(model)
    trained(model, [before, handler(kind=Forced, strength=2.0), after])
    name = "regressor.oct_encoder.stem.0.weight"
    assert start[name].ndim == 5
    torch.testing.assert_close(after.seen[1][name], 0.76159416 * start[name] + 0.23840584 * before.seen[1][name])


@pytest.mark.parametrize(
    ("every", "epochs", "expected"), [(2, 7, [2, 4, 6]), (2, 6, [2, 4]), (3, 3, []), (1, 3, [1, 2])]
)
def test_acts_after_every_so_many_epochs_but_never_after_the_last(every, epochs, expected):
    seen = []

    class Listening(Forced):
        def diagnose(self, engine):
            seen.append(engine.state.epoch - 1)
            return super().diagnose(engine)

    trained(network(), [handler(every, Listening)], epochs)
    assert seen == expected


def test_an_epoch_is_validated_before_it_is_taken_back():
    order = []

    class Listening(Forced):
        def diagnose(self, engine):
            order.append("diagnosis")
            return super().diagnose(engine)

    class Validation:
        def attach(self, engine):
            engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: order.append("validation"))

    trained(network(), [handler(1, Listening), Validation()])
    assert order == ["validation", "diagnosis", "validation"]


def pooled(model, modality, batches):
    key = {"oct": "image", "fundus": "fundus"}[modality]
    rows = [(b[key], b["label"]) for b in batches]
    with torch.no_grad():
        x = torch.cat([model.encoder(modality)(image).mean(1) for image, _ in rows])
    return x.numpy(), torch.cat([y for _, y in rows]).flatten().numpy()


def test_gap_is_that_of_scikit_learns_ridge_on_pooled_features():
    model, one = network(), handler()
    trainer = trained(model, [], epochs=1)
    gap = one_diagnosis(one, trainer)
    model.eval()
    for modality in ("oct", "fundus"):
        train, other = pooled(model, modality, toy_batches(3)), pooled(model, modality, toy_batches(2, seed=9))
        probe = make_pipeline(StandardScaler(), Ridge(alpha=1000.0)).fit(*train)
        r2 = np.clip([probe.score(*train), probe.score(*other)], 0, 1)
        assert gap[modality] == pytest.approx(abs(r2[0] - r2[1]), abs=1e-5)
        assert 0 < gap[modality] < 1


def one_diagnosis(one: RelearningHandler, trainer: Any) -> dict[str, float]:
    one.initial = {"oct": {}, "fundus": {}}
    return one.diagnose(trainer)


def test_eyes_without_image_or_label_are_left_out_of_the_diagnosis():
    trainer = trained(network(), [], epochs=1)
    whole = toy_batches(3, eyes={"oct": [0, 1]})
    for batch in whole:
        batch["label"][7] = float("nan")
    cut = [{key: value[2:7] for key, value in batch.items()} for batch in toy_batches(3)]
    validation = toy_batches(2, seed=9)
    gaps = [one_diagnosis(RelearningHandler(data, validation), trainer)["oct"] for data in (whole, cut)]
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-6)


def test_a_modality_that_no_eye_has_is_not_reset():
    data = toy_batches(2, eyes={"oct": list(range(8))})
    gap = one_diagnosis(RelearningHandler(data, toy_batches(2, seed=9)), trained(network(), [], epochs=1))
    assert gap["oct"] == 0.0 < gap["fundus"]


def test_diagnosis_moves_neither_weights_nor_statistics_nor_random_numbers():
    model = network(norm="batch", dropout=0.3)
    trainer = trained(model, [], epochs=1)
    before = weights(model)
    loader = torch.utils.data.DataLoader(torch.arange(2), batch_size=None, collate_fn=lambda i: toy_batches(2)[int(i)])
    torch.manual_seed(5)
    one_diagnosis(RelearningHandler(loader, loader), trainer)
    drawn = torch.rand(2)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(2))
    assert largest_difference(before, model.state_dict()) == 0.0


def test_a_resumed_training_knows_the_first_weights_and_goes_on_as_if_never_stopped(tmp_path):
    whole, first, second = network(), network(), network(seed=5)
    trained(whole, [HandlerGroup([handler(kind=Forced)])], epochs=4)
    group, optimizer = HandlerGroup([handler(kind=Forced)]), adamw(first)
    trainer = trained(first, [group], epochs=2, optimizer=optimizer)
    torch.save({"group": group.state_dict(), "trainer": trainer.state_dict()}, tmp_path / "state.pt")
    state = load_weights_only(tmp_path / "state.pt", torch.device("cpu"))
    second.load_state_dict(first.state_dict())
    resumed, again = HandlerGroup([handler(kind=Forced)]), adamw(second)
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(state["group"])
    trainer = toy_trainer(second, toy_batches(3), again, [resumed], max_epochs=4)
    trainer.load_state_dict(state["trainer"])
    trainer.state.max_epochs = 4
    trainer.run()
    assert largest_difference(whole, second) == 0.0


def test_gaps_are_among_the_scalars_of_the_epochs_that_follow():
    scalars = trained(network(), [handler(kind=Forced)]).state.output["scalars"]
    assert (scalars["gap_oct"], scalars["gap_fundus"]) == (0.5, 0.0)


def test_a_training_that_is_too_short_is_told(caplog):
    trained(network(), [handler(every=5)])
    assert "none in 2 epochs" in caplog.text


@pytest.mark.parametrize(("name", "value"), [("every", 0), ("strength", -1.0), ("penalty", 0.0)])
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        RelearningHandler([], [], **{name: value})
