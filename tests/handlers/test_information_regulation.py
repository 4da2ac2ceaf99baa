"""InfoReg: the added term, who receives it and when, its traces, what optimisers make of it, resuming."""

import math

import pytest
import torch
from monai.engines.utils import IterationEvents

from bundle.errors import InputError
from bundle.handlers import HandlerGroup, InformationRegulationHandler, RebalancingHandler
from bundle.handlers.information_regulation import add_pull
from tests.toy import adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer

OPTIMIZERS = {"sgd": sgd, "adamw": adamw}


def network():
    """OCT is ahead: the fundus head starts far off."""
    model = toy_network()
    with torch.no_grad():
        model.head("fundus").bias.add_(3.0)
    return model


def trained(model, handler=None, optimizer=None, batches=3, epochs=1):
    handlers = [] if handler is None else [RebalancingHandler(), handler]
    batches = toy_batches(batches) if isinstance(batches, int) else batches
    trainer = toy_trainer(model, batches, optimizer, handlers, unimodal_weight=1.0, max_epochs=epochs)
    trainer.run()
    return trainer


def test_the_added_term_is_the_gradient_of_a_quadratic():
    """beta / 2 |theta - theta_0|^2 by autograd, on weights of one to five axes."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(3,), (4, 3), (2, 3, 3, 3), (2, 1, 2, 3, 2)]
    theta = [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    data = [torch.randn(shape, generator=generator) for shape in shapes]
    loss = sum((p * d).sum() for p, d in zip(theta, data, strict=True))
    whole = loss + 0.7 / 2 * sum((p - s).square().sum() for p, s in zip(theta, start, strict=True))
    expected = torch.autograd.grad(whole, theta)
    for p, d in zip(theta, data, strict=True):
        p.grad = d.clone()
    add_pull(theta, start, 0.7)
    for p, g in zip(theta, expected, strict=True):
        torch.testing.assert_close(p.grad, g)


def test_a_parameter_without_a_gradient_keeps_none():
    p = torch.ones(2, requires_grad=True)
    add_pull([p], [torch.zeros(2)], 1.0)
    assert p.grad is None


def test_beta_hand_value():
    """s = (1, e^-.5): beta = strength exp(tanh(1 - e^-.5)) for the one ahead, 0 for the other."""
    handler = InformationRegulationHandler(strength=0.5)
    scores = {"oct": 1.0, "fundus": math.exp(-0.5)}
    assert handler.beta(scores, "oct") == pytest.approx(0.5 * math.exp(math.tanh(1 - math.exp(-0.5))))
    assert handler.beta(scores, "fundus") == 0.0


@pytest.mark.parametrize("scores", [{"oct": 1.0, "fundus": 1.0}, {"oct": 1.0}, {}])
def test_without_anyone_ahead_there_is_no_term(scores):
    assert InformationRegulationHandler().beta(scores, "oct") == 0.0


def test_strength_is_the_same_whoever_is_ahead():
    handler = InformationRegulationHandler()
    assert handler.beta({"oct": 1.0, "fundus": 0.4}, "oct") == handler.beta({"oct": 0.4, "fundus": 1.0}, "fundus")


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_strength_zero_is_multi_loss_training_exactly(make):
    models = [network(), network()]
    trained(models[0], None, make(models[0]), epochs=2)
    trained(models[1], InformationRegulationHandler(strength=0.0), make(models[1]), epochs=2)
    assert largest_difference(*models) == 0.0


def test_a_closed_window_is_multi_loss_training_exactly():
    models = [network(), network()]
    handler = InformationRegulationHandler(strength=5.0, epochs=1, threshold=math.inf)
    for _ in range(2):
        handler.window.add({"oct": 1.0, "fundus": 1.0})
    trained(models[0])
    trained(models[1], handler)
    assert largest_difference(*models) == 0.0


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_modality_ahead_stays_nearer_to_the_epochs_start_and_the_other_is_left_alone(make):
    """Two steps: the term is 0 in the first, and in the second it acts on the OCT encoder only."""
    models = [network(), network()]
    for model, strength in zip(models, (0.0, 2.0), strict=True):
        trainer = trained(model, InformationRegulationHandler(strength), make(model, lr=1e-2), batches=2)
    scalars = trainer.state.output["scalars"]
    assert scalars["beta_oct"] > 2.0 > scalars["beta_fundus"] == 0.0
    start = dict(network().encoder("oct").named_parameters())
    plain, held = (dict(model.encoder("oct").named_parameters()) for model in models)
    convs = [name for name, p in start.items() if p.ndim == 5]
    assert len(convs) == 3
    for name in convs:
        assert float(((held[name] - plain[name]).norm() / (plain[name] - start[name]).norm()).detach()) > 1e-3, name
    moved = [sum((p[n] - start[n]).detach().square().sum().item() for n in start) for p in (plain, held)]
    assert moved[1] < moved[0]
    assert largest_difference(models[0].encoder("fundus"), models[1].encoder("fundus")) == 0.0
    assert largest_difference(models[0].regressor.fusion, models[1].regressor.fusion) == 0.0


def test_the_trace_is_the_mean_squared_gradient_before_the_term():
    model, handler, squares = network(), InformationRegulationHandler(strength=3.0), []
    trainer = toy_trainer(model, toy_batches(3), sgd(model, lr=1e-2), [], unimodal_weight=1.0)

    def collect(engine):
        squares.append(sum(float(p.grad.square().sum()) for p in model.encoder("oct").parameters()))

    trainer.add_event_handler(IterationEvents.BACKWARD_COMPLETED, collect)
    handler.attach(trainer)
    trainer.run()
    (trace,) = handler.state_dict()["window"]["traces"]["oct"]
    assert trace == pytest.approx(sum(squares) / 3, rel=1e-5)


def test_the_start_is_taken_anew_in_each_epoch():
    """With one batch an epoch every step begins at its start, so the term is always 0."""
    models = [network(), network()]
    trained(models[0], InformationRegulationHandler(strength=0.0), batches=1, epochs=3)
    trained(models[1], InformationRegulationHandler(strength=5.0), batches=1, epochs=3)
    assert largest_difference(*models) == 0.0


def test_a_batch_without_a_modality_is_trained():
    trainer = trained(network(), InformationRegulationHandler(), batches=toy_batches(2, eyes={"oct": list(range(8))}))
    assert not trainer.state.output["skipped"]


def test_a_resumed_training_goes_on_as_if_never_stopped():
    batches = toy_batches(2)
    whole, first, second = network(), network(), network()
    one = HandlerGroup([InformationRegulationHandler(2.0, epochs=1)])
    trained(whole, one, sgd(whole, momentum=0.0), batches, epochs=4)
    group = HandlerGroup([InformationRegulationHandler(2.0, epochs=1)])
    trained(first, group, sgd(first, momentum=0.0), batches, epochs=2)
    second.load_state_dict(first.state_dict())
    resumed = HandlerGroup([InformationRegulationHandler(2.0, epochs=1)])
    resumed.load_state_dict(group.state_dict())
    trained(second, resumed, sgd(second, momentum=0.0), batches, epochs=2)
    assert largest_difference(whole, second) == 0.0
    assert one.state_dict() == resumed.state_dict()


def test_a_negative_strength_is_named():
    with pytest.raises(InputError, match=r"^strength: found"):
        InformationRegulationHandler(strength=-1.0)
