"""MIMO's scalarisation against numpy, its two limits, and missing modalities."""

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.losses.mimo import MIMORegressionLoss
from bundle.losses.multimodal import MultimodalRegressionLoss

SD_DB = 4.0


def outputs(seed=0, missing=()):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda scale: scale * torch.randn(6, 1, generator=generator, dtype=torch.float64)  # noqa: E731
    found = {"pred": draw(4), "pred_oct": draw(3), "pred_fundus": draw(8)}
    for m in missing:
        found[f"pred_{m}"] = torch.full_like(found["pred"], torch.nan)
    label_db = draw(4)
    for prediction in found.values():
        prediction.requires_grad_()
    return found | {"features": {"oct": {}, "fundus": {}}}, label_db


def mse(prediction, label_db):
    return float(((prediction.detach() - label_db) ** 2).mean()) / SD_DB**2


@pytest.mark.parametrize("t", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_total_equals_its_formula(t, weight):
    found, label_db = outputs()
    l_mm, l_o, l_f = (mse(found[key], label_db) for key in ("pred", "pred_oct", "pred_fundus"))
    expected = l_mm + weight / t * np.log((np.exp(t * l_o) + np.exp(t * l_f)) / 2)
    loss = MIMORegressionLoss(SD_DB, weight, temperature=t)(found, label_db)
    assert float(loss["total"].detach()) == pytest.approx(expected, rel=1e-12)
    assert float(loss["fused"].detach()) == pytest.approx(l_mm)


def test_gradient_weighs_each_modality_by_a_softmax():
    found, label_db = outputs()
    MIMORegressionLoss(SD_DB, 0.7, temperature=2.0)(found, label_db)["total"].backward()
    losses = np.array([mse(found[key], label_db) for key in ("pred_oct", "pred_fundus")])
    share = np.exp(2 * losses) / np.exp(2 * losses).sum()
    for key, s in zip(("pred_oct", "pred_fundus"), share, strict=True):
        expected = 0.7 * s * 2 / 6 * (found[key].detach() - label_db) / SD_DB**2
        torch.testing.assert_close(found[key].grad, expected, rtol=1e-9, atol=0)
    assert share[1] > 0.7


@pytest.mark.parametrize("t", [0.0, 1e-6])
def test_small_temperature_is_multi_loss_training_with_the_mean(t):
    found, label_db = outputs()
    ours = MIMORegressionLoss(SD_DB, 1.0, temperature=t)(found, label_db)["total"]
    plain = MultimodalRegressionLoss(SD_DB, 0.5)(found, label_db)["total"]
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)


def test_large_temperature_is_the_worst_modality():
    found, label_db = outputs()
    loss = MIMORegressionLoss(SD_DB, 1.0, temperature=1e4)(found, label_db)
    assert float(loss["total"] - loss["fused"]) == pytest.approx(
        max(float(loss["oct"]), float(loss["fundus"])), abs=1e-3
    )


def test_huge_losses_stay_finite():
    found, label_db = outputs()
    loss = MIMORegressionLoss(SD_DB, 1.0, temperature=5.0)(found, label_db + 1e4)
    assert loss["total"].isfinite()


def test_a_modality_that_no_eye_has_is_left_out_of_the_mean():
    found, label_db = outputs(missing=["fundus"])
    loss = MIMORegressionLoss(SD_DB, 1.0)(found, label_db)
    assert float((loss["total"] - loss["fused"]).detach()) == pytest.approx(float(loss["oct"].detach()))
    loss["total"].backward()
    assert found["pred_oct"].grad.isfinite().all()
    found, label_db = outputs(missing=["oct", "fundus"])
    loss = MIMORegressionLoss(SD_DB, 1.0)(found, label_db)
    assert torch.equal(loss["total"], loss["fused"])


def test_one_modality_is_its_own_loss():
    found, label_db = outputs()
    found["features"] = {"oct": {}}
    loss = MIMORegressionLoss(SD_DB)(found, label_db)
    assert torch.equal(loss["total"], loss["fused"])


def test_sample_weights_reach_both_parts():
    found, label_db = outputs()
    weighted = MIMORegressionLoss(SD_DB)(found, label_db, torch.full_like(label_db, 3.0))
    # log mean exp(3 l) is three times the soft maximum at temperature 3
    expected = 3 * MIMORegressionLoss(SD_DB, temperature=3.0)(found, label_db)["total"]
    torch.testing.assert_close(weighted["total"], expected)


@pytest.mark.parametrize(("name", "value"), [("unimodal_weight", 0.0), ("temperature", -1.0)])
def test_an_argument_outside_its_range_is_named(name, value):
    with pytest.raises(InputError, match=f"^{name}: found"):
        MIMORegressionLoss(SD_DB, **{name: value})
