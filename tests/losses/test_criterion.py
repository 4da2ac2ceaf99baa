"""The multimodal objective with another criterion."""

import pytest
import torch

from bundle.losses import GradientAlignedLoss, MultimodalCriterionLoss, MultimodalRegressionLoss, WeightedMSELoss
from bundle.losses.present import present_rows

NAN = float("nan")
LABEL = torch.tensor([[-1.0], [-4.0], [-9.0], [2.0]])
WEIGHT = torch.tensor([[1.0], [0.5], [2.0], [3.0]])


def outputs():
    fused, oct_, fundus = ([1.0, NAN, -5.0, 3.0], [0.0, -3.0, -9.5, NAN], [-2.0, NAN, -8.0, 1.0])
    tensors = {"pred": fused, "pred_oct": oct_, "pred_fundus": fundus}
    return {**{k: torch.tensor(v).unsqueeze(1) for k, v in tensors.items()}, "features": {"oct": {}, "fundus": {}}}


@pytest.mark.parametrize("beta", [0.0, 0.5])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_with_the_squared_error_it_is_the_plain_objective(beta, weight):
    plain = MultimodalRegressionLoss(3.0, beta)(outputs(), LABEL, weight)
    parts = MultimodalCriterionLoss(WeightedMSELoss(3.0), 3.0, beta)(outputs(), LABEL, weight)
    assert parts == plain


def test_every_term_has_the_criterion_and_the_measured_errors_stay_squared():
    gar = GradientAlignedLoss(3.0)
    loss = MultimodalCriterionLoss(gar, 3.0, 0.5)
    out = outputs()
    expected = gar(out["pred"], LABEL) + 0.5 * (gar(out["pred_oct"], LABEL) + gar(out["pred_fundus"], LABEL))
    torch.testing.assert_close(loss(out, LABEL)["total"], expected)
    assert loss.errors(out, LABEL) == MultimodalRegressionLoss(3.0, 0.5).errors(out, LABEL)


def test_one_modality_has_one_term():
    out = {"pred": LABEL + 1, "pred_oct": LABEL + 1, "features": {"oct": {}}}
    assert set(MultimodalCriterionLoss(WeightedMSELoss(3.0), 3.0)(out, LABEL)) == {"total", "fused"}


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match="label: found"):
        present_rows(torch.zeros(3, 1), torch.zeros(3))
