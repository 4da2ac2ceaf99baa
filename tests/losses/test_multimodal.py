"""L = l_mm + beta sum_m l_m, against sums written out."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bundle.losses import MultimodalRegressionLoss

NAN = float("nan")
SD_DB = 2.0
LABEL = torch.tensor([[-1.0], [-4.0], [-9.0], [2.0]])
FUSED, OCT, FUNDUS = ([1.0, NAN, -5.0, NAN], [0.0, -3.0, -9.5, NAN], [-2.0, NAN, -8.0, 1.0])


def outputs(**predictions: list[float]) -> dict[str, Any]:
    tensors = {name: torch.tensor(values).unsqueeze(1).requires_grad_() for name, values in predictions.items()}
    return {**tensors, "features": {name.removeprefix("pred_"): {} for name in predictions if name != "pred"}}


def by_hand(predictions: list[float], weights: list[float] | None = None) -> float:
    weights = weights or [1.0] * 4
    terms = [
        w * ((p - y) / SD_DB) ** 2
        for p, y, w in zip(predictions, LABEL.flatten().tolist(), weights, strict=True)
        if p == p
    ]
    return sum(terms) / len(terms)


@pytest.mark.parametrize("weights", [None, [2.0, 0.5, 1.0, 3.0]])
def test_every_eye_enters_the_terms_it_has_a_prediction_for(weights: list[float] | None) -> None:
    weight = None if weights is None else torch.tensor(weights).unsqueeze(1)
    parts = MultimodalRegressionLoss(SD_DB, 0.3)(outputs(pred=FUSED, pred_oct=OCT, pred_fundus=FUNDUS), LABEL, weight)
    expected = {"fused": by_hand(FUSED, weights), "oct": by_hand(OCT, weights), "fundus": by_hand(FUNDUS, weights)}
    for name, value in expected.items():
        assert float(parts[name].detach()) == pytest.approx(value)
    total = expected["fused"] + 0.3 * (expected["oct"] + expected["fundus"])
    assert float(parts["total"].detach()) == pytest.approx(total)


def test_missing_rows_get_no_gradient_and_no_nan() -> None:
    out = outputs(pred=FUSED, pred_oct=OCT, pred_fundus=FUNDUS)
    MultimodalRegressionLoss(SD_DB, 0.3)(out, LABEL)["total"].backward()
    for name, values in (("pred", FUSED), ("pred_oct", OCT), ("pred_fundus", FUNDUS)):
        gradient: Tensor = out[name].grad
        assert bool(gradient.isfinite().all())
        assert [g == 0 for g in gradient.flatten().tolist()] == [v != v for v in values]


def test_weight_zero_trains_the_probe_heads_with_weight_one() -> None:
    parts = MultimodalRegressionLoss(SD_DB, 0.0)(outputs(pred=FUSED, pred_oct=OCT, pred_fundus=FUNDUS), LABEL)
    assert float(parts["total"].detach()) == pytest.approx(by_hand(FUSED) + by_hand(OCT) + by_hand(FUNDUS))


def test_one_modality_counts_once() -> None:
    out = outputs(pred=OCT, pred_oct=OCT)
    parts = MultimodalRegressionLoss(SD_DB, 0.5)(out, LABEL)
    assert float(parts["total"].detach()) == pytest.approx(by_hand(OCT))
    assert set(parts) == {"total", "fused"}


def test_a_modality_that_nobody_has_is_zero_in_the_loss_and_nan_in_the_errors() -> None:
    loss, out = MultimodalRegressionLoss(SD_DB, 0.5), outputs(pred=[NAN] * 4, pred_oct=OCT, pred_fundus=[NAN] * 4)
    parts = loss(out, LABEL)
    assert float(parts["total"].detach()) == pytest.approx(0.5 * by_hand(OCT))
    errors = loss.errors(out, LABEL)
    assert errors["oct"] == pytest.approx(by_hand(OCT))
    assert errors["fundus"] != errors["fundus"]


def test_errors_have_no_sample_weights_and_no_graph() -> None:
    out = outputs(pred=FUSED, pred_oct=OCT, pred_fundus=FUNDUS)
    errors = MultimodalRegressionLoss(SD_DB, 0.5).errors(out, LABEL)
    assert errors == pytest.approx({"oct": by_hand(OCT), "fundus": by_hand(FUNDUS)})
    assert all(type(value) is float for value in errors.values())


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="unimodal_weight is -1"):
        MultimodalRegressionLoss(SD_DB, -1)
