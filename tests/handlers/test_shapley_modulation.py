"""AGM: gradients by hand, plain fusion as its limit, what an optimiser leaves of it, missing eyes, resuming."""

import pytest
import torch

from bundle.errors import InputError
from bundle.handlers import HandlerGroup, RebalancingHandler, ShapleyModulationHandler
from bundle.modulation import SAMAscent
from bundle.networks import ConcatFusion, MDRegressor, ShapleyTrainingNetwork, TrainingNetwork
from tests.toy import MEAN_DB, SD_DB, adamw, largest_difference, sgd, toy_batches, toy_encoder, toy_network, toy_trainer

OPTIMIZERS = {"sgd": sgd, "adamw": adamw}


def network(kind=ShapleyTrainingNetwork, hidden=8):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fusion = ConcatFusion(8, 8, hidden=hidden)
        regressor = MDRegressor(toy_encoder("oct"), toy_encoder("fundus"), fusion, MEAN_DB, SD_DB)
        return kind(regressor, projection_dim=6, probe_heads=True)


class Constant(ShapleyModulationHandler):
    """The same kappa in every step."""

    def __init__(self, **kappa):
        super().__init__()
        self.constant = kappa

    def measure(self, engine):
        self.kappa = self.constant


def trained(model, handler=None, optimizer=None, batches=None, epochs=1):
    handlers = [] if handler is None else [RebalancingHandler(), handler]
    trainer = toy_trainer(model, batches or toy_batches(4), optimizer, handlers, max_epochs=epochs)
    trainer.run()
    return trainer


def gradients(kappa, hidden):
    """Of the fused loss by the handler's hooks, and by hand: from dL/dt and the three answers."""
    model = network(hidden=hidden)
    batch = toy_batches(1)[0]
    handler = Constant(**kappa)
    trainer = trained(model, handler, sgd(model, lr=0.0), [batch])
    named = model.regressor.named_parameters()
    found = {n: p.grad for n, p in named if n.startswith(("oct_encoder", "fundus_encoder", "fusion"))}
    model = network(hidden=hidden)
    r = model.regressor
    image, fundus, y = batch["image"], batch["fundus"], (batch["label"] - MEAN_DB) / SD_DB
    h_o, h_f = r.oct_encoder(image), r.fundus_encoder(fundus)
    blank_o, blank_f = r.oct_encoder(torch.zeros_like(image)), r.fundus_encoder(torch.zeros_like(fundus))
    t, t_o, t_f = r.fusion(h_o, h_f), r.fusion(h_o, blank_f), r.fusion(blank_o, h_f)
    slope = (2 * (t - y) / len(y)).detach()
    mean, half = (kappa["oct"] + kappa["fundus"]) / 2, (kappa["oct"] - kappa["fundus"]) / 2
    (slope * (mean * t + half * t_o - half * t_f)).sum().backward()
    expected = {n: p.grad for n, p in r.named_parameters() if n in found}
    return found, expected, trainer


@pytest.mark.parametrize("hidden", [0, 8])
def test_answers_receive_mean_and_half_difference_of_the_factors(hidden):
    found, expected, trainer = gradients({"oct": 0.4, "fundus": 1.8}, hidden)
    assert len(found) > 10
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6, msg=name)
    assert (trainer.state.output["scalars"]["k_oct"], trainer.state.output["scalars"]["k_fundus"]) == (0.4, 1.8)


def test_gradients_of_a_linear_fusion_are_those_by_hand():
    """F = w_o h_o + w_f h_f + b with blanks that say 0: dL/dh_m is kappa_m w_m dL/dt, dL/db is their mean's."""
    kappa = {"oct": 0.4, "fundus": 1.8}
    plain, modulated = network(TrainingNetwork, hidden=0), network(hidden=0)
    for model, handler in ((plain, None), (modulated, Constant(**kappa))):
        trained(model, handler, sgd(model, lr=0.0), toy_batches(1))
    for name, k in kappa.items():
        for a, b in zip(plain.encoder(name).parameters(), modulated.encoder(name).parameters(), strict=True):
            if a.ndim > 1:  # a blank eye reaches the norms' biases too, which therefore are scaled otherwise
                torch.testing.assert_close(b.grad, k * a.grad, rtol=1e-4, atol=1e-6)
    old, new = plain.regressor.fusion.head, modulated.regressor.fusion.head
    torch.testing.assert_close(new.bias.grad, 1.1 * old.bias.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(new.weight.grad[:, :8], 0.4 * old.weight.grad[:, :8], rtol=1e-4, atol=1e-6)


def test_alpha_zero_is_plain_fusion_up_to_rounding():
    plain, modulated = network(TrainingNetwork), network()
    losses = [
        trained(model, handler, sgd(model, lr=0.0), toy_batches(1)).state.output["scalars"]["loss"]
        for model, handler in ((plain, None), (modulated, ShapleyModulationHandler(alpha=0.0)))
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    pairs = zip(plain.named_parameters(), modulated.parameters(), strict=True)
    for (name, a), b in pairs:
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            torch.testing.assert_close(b.grad, a.grad, rtol=1e-5, atol=1e-6 * float(a.grad.abs().max()) + 1e-8)


def test_symmetric_modalities_have_equal_factors():
    """Both encoders alike, both images alike, and a fusion that treats them alike."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = toy_encoder("fundus")
        fusion = ConcatFusion(8, 8, hidden=0)
    with torch.no_grad():
        fusion.head.weight[:, 8:] = fusion.head.weight[:, :8]
    regressor = MDRegressor(encoder, encoder, fusion, MEAN_DB, SD_DB)
    model = ShapleyTrainingNetwork(regressor, projection_dim=6, probe_heads=True)
    batches = [batch | {"image": batch["fundus"]} for batch in toy_batches(3)]
    handler = ShapleyModulationHandler(alpha=5.0)
    trained(model, handler, torch.optim.SGD(model.parameters(), lr=1e-3), batches)
    assert handler.kappa["oct"] == pytest.approx(handler.kappa["fundus"], rel=1e-5) == pytest.approx(1.0, rel=1e-5)


def test_score_is_half_the_variance_of_what_a_share_misses():
    model, batches = network(), toy_batches(1)
    shares = model(batches[0]["image"], batches[0]["fundus"])["shares"]
    handler = ShapleyModulationHandler()
    trained(model, handler, sgd(model, lr=0.0), batches)
    y = (batches[0]["label"] - MEAN_DB) / SD_DB
    for name, share in shares.items():
        centred = share - share.mean() + y.mean()
        nll = float(((centred - y) ** 2).detach().mean() / 2)
        assert handler.state_dict()["sums"][name] == pytest.approx(nll, rel=1e-4)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_oct_encoders_conv3d_weights_go_elsewhere(make):
    models = [network(), network()]
    for model, alpha in zip(models, (0.0, 5.0), strict=True):
        trained(model, ShapleyModulationHandler(alpha=alpha), make(model))
    start = dict(network().encoder("oct").named_parameters())
    plain, modulated = (dict(model.encoder("oct").named_parameters()) for model in models)
    convs = [name for name, p in plain.items() if p.ndim == 5]
    assert len(convs) == 3
    for name in convs:
        moved = (plain[name] - start[name]).detach().norm()
        assert float((modulated[name] - plain[name]).detach().norm() / moved) > 1e-3, name


@pytest.mark.parametrize(("hidden", "is_lost"), [(0, True), (8, False)])
def test_adamw_loses_a_constant_factor_on_a_linear_fusion_alone(hidden, is_lost):
    kappa, moves = {"oct": 0.4, "fundus": 1.8}, []
    start = network(hidden=hidden)
    for handler in (Constant(oct=1.0, fundus=1.0), Constant(**kappa)):
        model = network(hidden=hidden)
        optimizer = torch.optim.AdamW(model.parameter_groups(), lr=1e-4, weight_decay=0.0, eps=1e-12)
        trained(model, handler, optimizer, toy_batches(1), epochs=3)
        weight = model.encoder("oct").stem[0].weight
        moves.append((weight - start.encoder("oct").stem[0].weight).detach())
    change = float((moves[1] - moves[0]).norm() / moves[0].norm())
    assert (change < 0.02) == is_lost


def test_a_sharpness_aware_step_measures_once_and_modulates_the_pass_that_counts():
    """The first pass, whose gradients only make the ascent, is that of plain fusion."""
    norms, losses = [], []
    for handler in (Constant(oct=1.0, fundus=1.0), Constant(oct=0.0, fundus=0.0)):
        model = network()
        trainer = toy_trainer(
            model, toy_batches(1), sgd(model, lr=0.0), [RebalancingHandler(), handler], ascent=SAMAscent(0.05)
        )
        trainer.run()
        norms.append(float(model.encoder("oct").stem[0].weight.grad.norm()))
        losses.append(trainer.state.output["scalars"]["loss_fused"])  # at w + eps
    assert losses[0] == losses[1]
    assert norms[0] > 0.0 == norms[1]
    handler = ShapleyModulationHandler()
    toy_trainer(network(), toy_batches(3), handlers=[handler], ascent=SAMAscent(0.05)).run()
    assert handler.state_dict()["batches"] == 3


def test_eyes_without_a_modality_train_and_are_left_out_of_the_scores():
    batches = toy_batches(2, eyes={"oct": [0], "fundus": [3, 4]})
    handler = ShapleyModulationHandler()
    model = network()
    trainer = trained(model, handler, sgd(model, lr=0.0), batches[:1])
    assert not trainer.state.output["skipped"]
    whole = [1, 2, 5, 6, 7]
    complete = {key: value[whole] for key, value in batches[0].items() if key != "row"} | {"row": whole}
    alone = ShapleyModulationHandler()
    model = network()
    trained(model, alone, sgd(model, lr=0.0), [complete])
    assert handler.state_dict()["sums"] == pytest.approx(alone.state_dict()["sums"], rel=1e-4)


def test_a_batch_without_a_complete_eye_is_trained_with_factor_one():
    handler = ShapleyModulationHandler()
    trainer = trained(network(), handler, batches=toy_batches(1, eyes={"oct": list(range(8))}))
    assert not trainer.state.output["skipped"]
    assert handler.kappa == {"oct": 1.0, "fundus": 1.0}
    assert handler.state_dict()["batches"] == 0


def test_another_network_is_refused():
    with pytest.raises(InputError, match="training_network#_target_"):
        trained(toy_network(probe_heads=True), ShapleyModulationHandler())


def test_a_resumed_training_goes_on_as_if_never_stopped():
    batches = toy_batches(4)
    whole, first, second = network(), network(), network()
    trained(whole, HandlerGroup([ShapleyModulationHandler(3.0)]), sgd(whole, momentum=0.0), batches)
    group = HandlerGroup([ShapleyModulationHandler(3.0)])
    trained(first, group, sgd(first, momentum=0.0), batches[:2])
    second.load_state_dict(first.state_dict())
    resumed = HandlerGroup([ShapleyModulationHandler(3.0)])
    resumed.load_state_dict(group.state_dict())
    trained(second, resumed, sgd(second, momentum=0.0), batches[2:])
    assert largest_difference(whole, second) == 0.0
