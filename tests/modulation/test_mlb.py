"""MLB: hand values, its shape around balance, limiting cases, and what it does to the OCT encoder."""

import math

import pytest
import torch

from bundle.errors import InputError
from bundle.handlers import RebalancingHandler
from bundle.modulation import MLBModulator
from tests.modulation.encoder_step import MODES, assert_conv3d_moves_k_times_as_far
from tests.toy import largest_difference, sgd, toy_batches, toy_network, toy_trainer


def errors_of(**scores):
    """e_m whose scores exp(-e_m / 2) are these."""
    return {m: -2 * math.log(s) for m, s in scores.items()}


def test_hand_value():
    """s = (.8, .4): r = (1/2, 2), so k = 1 - tanh(alpha / 2) and 1 + (beta - 1) tanh(alpha)."""
    k = MLBModulator(alpha=1.0, beta=1.5).coefficients(errors_of(oct=0.8, fundus=0.4), {})
    assert k == pytest.approx({"oct": 1 - 0.46211716, "fundus": 1 + 0.5 * 0.76159416}, abs=1e-7)


def test_balance_keeps_one():
    assert MLBModulator(alpha=3.0).coefficients({"oct": 0.7, "fundus": 0.7}, {}) == {"oct": 1.0, "fundus": 1.0}


def test_the_factor_is_continuous_at_balance():
    for shift in (-1e-9, 1e-9):
        k = MLBModulator(alpha=1.0, beta=3.0).coefficients({"oct": 0.7, "fundus": 0.7 + shift}, {})
        assert k == pytest.approx({"oct": 1.0, "fundus": 1.0}, abs=1e-8)


def test_factors_stay_between_zero_and_beta():
    for gap in (0.1, 1.0, 30.0, 1e5):
        k = MLBModulator(alpha=4.0, beta=2.5).coefficients({"oct": 1.0, "fundus": 1.0 + gap}, {})
        assert 1e-3 <= k["oct"] < 1 < k["fundus"] <= 2.5


def test_beta_one_never_accelerates():
    k = MLBModulator(alpha=1.0, beta=1.0).coefficients({"oct": 0.2, "fundus": 0.8}, {})
    assert k["fundus"] == 1.0
    assert k["oct"] < 1


def test_three_modalities_are_compared_with_the_mean_of_the_others():
    k = MLBModulator(alpha=1.0, beta=2.0).coefficients(errors_of(oct=0.8, fundus=0.4, angiography=0.6), {})
    expected = {"oct": 1 + math.tanh(0.5 / 0.8 - 1), "fundus": 1 + math.tanh(0.7 / 0.4 - 1), "angiography": 1.0}
    assert k == pytest.approx(expected)


def test_alpha_zero_is_multi_loss_training_exactly():
    networks = [toy_network(), toy_network()]
    for network, handlers in zip(networks, ([], [RebalancingHandler(modulator=MLBModulator(alpha=0.0))]), strict=True):
        toy_trainer(network, toy_batches(4), handlers=handlers, unimodal_weight=1.0).run()
    assert largest_difference(*networks) == 0.0


def test_encoder_and_unimodal_head_are_scaled_and_the_fusion_is_not():
    networks = [toy_network(), toy_network()]
    for network, modulator in zip(networks, (None, MLBModulator()), strict=True):
        with torch.no_grad():
            network.head("fundus").bias.add_(3.0)
        handler = RebalancingHandler(modulator=modulator, apply_to="grad")
        trainer = toy_trainer(network, toy_batches(1), sgd(network, lr=1.0, momentum=0.0), [handler])
        trainer.run()
        network.k = trainer.state.output["scalars"]["k_oct"]
    plain, modulated = networks
    start = toy_network().head("oct").weight
    move = [network.head("oct").weight.detach() - start.detach() for network in networks]
    torch.testing.assert_close(move[1], modulated.k * move[0], rtol=1e-4, atol=1e-7)
    assert plain.k == 1.0 != modulated.k
    assert largest_difference(plain.regressor.fusion, modulated.regressor.fusion) == 0.0


@pytest.mark.parametrize("error", [{"oct": 0.3}, {"oct": 0.3, "fundus": math.nan}, {}])
def test_a_modality_without_company_keeps_one(error):
    assert MLBModulator().coefficients(error, {}) == dict.fromkeys(error, 1.0)


@pytest.mark.parametrize("apply_to", MODES)
def test_the_oct_encoders_conv3d_weights_are_modulated(apply_to):
    assert_conv3d_moves_k_times_as_far(MLBModulator(), apply_to)


@pytest.mark.parametrize(("name", "value"), [("alpha", -0.1), ("beta", 0.9)])
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        MLBModulator(**{name: value})
