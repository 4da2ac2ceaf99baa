"""L = w_fused l_mm + sum_m w_m l_m, and what a weight of 0 leaves out."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bundle.errors import InputError
from bundle.losses import BlendedRegressionLoss, MultimodalRegressionLoss
from tests.toy import SD_DB, toy_batches, toy_network

LABEL = torch.tensor([[-1.0], [-4.0], [-9.0], [2.0]])
WEIGHT = torch.tensor([[2.0], [0.5], [1.0], [3.0]])
NAN = float("nan")
PREDICTIONS = {"pred": [1.0, NAN, -5.0, NAN], "pred_oct": [0.0, -3.0, -9.5, NAN], "pred_fundus": [-2.0, NAN, -8.0, 1.0]}


def outputs(names: tuple[str, ...] = ("oct", "fundus")) -> dict[str, Any]:
    return {**{k: torch.tensor(v).unsqueeze(1) for k, v in PREDICTIONS.items()}, "features": {n: {} for n in names}}


def by_hand(name: str, weight: Tensor | None) -> float:
    pred = np.array(PREDICTIONS[name])
    terms = ((pred - LABEL.flatten().numpy()) / SD_DB) ** 2 * (1.0 if weight is None else weight.flatten().numpy())
    return float(np.nanmean(terms))


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_total_is_the_weighted_sum(weight: Tensor | None) -> None:
    parts = BlendedRegressionLoss(SD_DB, {"fused": 0.7, "oct": 2.0, "fundus": 0.1})(outputs(), LABEL, weight)
    keys = {"fused": "pred", "oct": "pred_oct", "fundus": "pred_fundus"}
    expected = {name: by_hand(key, weight) for name, key in keys.items()}
    assert {name: float(parts[name]) for name in expected} == pytest.approx(expected)
    assert float(parts["total"]) == pytest.approx(
        0.7 * expected["fused"] + 2 * expected["oct"] + 0.1 * expected["fundus"]
    )


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_with_equal_weights_of_the_modalities_it_is_the_plain_objective(beta: float) -> None:
    weights = {"fused": 1.0, "oct": beta, "fundus": beta}
    parts = BlendedRegressionLoss(SD_DB, weights)(outputs(), LABEL, WEIGHT)
    plain = MultimodalRegressionLoss(SD_DB, beta)(outputs(), LABEL, WEIGHT)
    assert parts.keys() == plain.keys()
    for name in plain:
        torch.testing.assert_close(parts[name], plain[name])


def gradients(weights: dict[str, float]) -> dict[str, bool]:
    """Which parts of the network have a gradient at all."""
    network, (batch,) = toy_network(), toy_batches(1)
    BlendedRegressionLoss(SD_DB, weights)(network(batch["image"], batch["fundus"]), batch["label"])["total"].backward()
    regressor = network.regressor
    modules = {"oct": regressor.oct_encoder, "fundus": regressor.fundus_encoder, "fusion": regressor.fusion}
    return {name: any(p.grad is not None for p in module.parameters()) for name, module in modules.items()}


def test_a_part_of_weight_zero_gives_no_gradient_rather_than_a_zero_one() -> None:
    """A zero gradient would let weight decay and momentum move what is not trained."""
    assert gradients({"fused": 0.0, "oct": 1.0, "fundus": 0.0}) == {"oct": True, "fundus": False, "fusion": False}
    assert gradients({"oct": 1.0, "fundus": 1.0}) == {"oct": True, "fundus": True, "fusion": False}
    assert gradients({"fused": 1.0}) == {"oct": True, "fundus": True, "fusion": True}


def test_weights_may_change_between_steps() -> None:
    loss = BlendedRegressionLoss(SD_DB, {"fused": 1.0, "oct": 0.0, "fundus": 0.0})
    loss.weights["oct"] = 3.0
    expected = by_hand("pred", None) + 3 * by_hand("pred_oct", None)
    assert float(loss(outputs(), LABEL)["total"]) == pytest.approx(expected)


def test_errors_do_not_depend_on_the_weights() -> None:
    loss = BlendedRegressionLoss(SD_DB, {"oct": 1.0})
    assert loss.errors(outputs(), LABEL) == MultimodalRegressionLoss(SD_DB).errors(outputs(), LABEL)


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(InputError, match="weights#oct: found -1"):
        BlendedRegressionLoss(SD_DB, {"fused": 1.0, "oct": -1})
    with pytest.raises(InputError, match="expected one above 0 among fused"):
        BlendedRegressionLoss(SD_DB, {"fused": 0.0, "oct": 1.0})(outputs(("oct",)), LABEL)
