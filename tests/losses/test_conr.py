"""ConR against loops in NumPy and a closed form; its two known faults are not repeated."""

import math

import numpy as np
import pytest
import torch

from bundle.errors import InputError
from bundle.losses import (
    ContrastiveRegularizerLoss,
    LabelDensity,
    MultimodalConRLoss,
    MultimodalRegressionLoss,
    RarityWeight,
)


def truth(z, y, p, t, w, push, eta=None):
    n, total = len(y), 0.0
    eta = np.ones(n) if eta is None else eta
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    for i in range(n):
        positives = [k for k in range(n) if k != i and abs(y[i] - y[k]) <= w]
        negatives = [k for k in range(n) if abs(y[i] - y[k]) > w and abs(p[i] - p[k]) <= w]
        if not positives or not negatives:
            continue
        e = {k: math.exp(unit[i] @ unit[k] / t) for k in range(n)}
        bottom = sum(e[k] for k in positives)
        bottom += sum(eta[i] * math.exp(push * abs(y[i] - y[k])) * e[k] for k in negatives)
        total += -sum(math.log(e[k] / bottom) for k in positives) / len(positives)
    return total / n


@pytest.fixture
def eyes():
    rng = np.random.default_rng(1)
    md_db = np.round(rng.uniform(-8, 0, 16), 1).astype(np.float32)
    return (
        torch.from_numpy(rng.normal(size=(16, 5))),
        torch.from_numpy(md_db),
        torch.from_numpy(rng.uniform(-5, -2, 16)),
    )


@pytest.mark.parametrize("settings", [(0.2, 1.0, 0.03), (0.07, 2.05, 0.0), (0.5, 1.55, 0.3)])
def test_value_is_the_formula_by_loops(eyes, settings):
    t, w, push = settings
    loss = ContrastiveRegularizerLoss(temperature=t, window_db=w, push=push)(*eyes)
    expected = truth(eyes[0].numpy(), eyes[1].double().numpy(), eyes[2].numpy(), t, w, push)
    assert expected > 0.1
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def test_eta_scales_the_repulsion_of_rare_anchors(eyes):
    weight = RarityWeight(LabelDensity().fit(eyes[1]), power=1.0)
    loss = ContrastiveRegularizerLoss(window_db=1.05, weight=weight)(*eyes)
    z, y, p = eyes[0].numpy(), eyes[1].double().numpy(), eyes[2].numpy()
    expected = truth(z, y, p, 0.2, 1.05, 0.03, weight(eyes[1]).numpy())
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert loss.item() != pytest.approx(truth(z, y, p, 0.2, 1.05, 0.03), rel=1e-3)


def test_equal_features_give_a_closed_form_without_spurious_terms():
    """Two anchors with one positive and one negative each, a third eye without a positive: 2/3 log(1 + e^(push d))."""
    z = torch.ones(3, 4, dtype=torch.float64, requires_grad=True)
    loss = ContrastiveRegularizerLoss(push=0.05)(z, torch.tensor([0.0, 0.0, -10.0]), torch.zeros(3))
    loss.backward()
    assert loss.item() == pytest.approx(2 / 3 * math.log1p(math.exp(0.5)), rel=1e-12)
    assert z.grad.isfinite().all()


def test_eyes_that_are_told_apart_are_not_pushed():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    md_db = torch.tensor([0.0, 0.0, -10.0, -10.0])
    loss = ContrastiveRegularizerLoss()(z, md_db, md_db)
    loss.backward()
    assert loss == 0
    assert z.grad.abs().max() == 0
    assert ContrastiveRegularizerLoss()(z, md_db, torch.zeros(4)) > 0


def test_no_gradient_reaches_the_predictions(eyes):
    z, y, p = eyes
    p.requires_grad_()
    ContrastiveRegularizerLoss(window_db=1.05)(z.requires_grad_(), y, p).backward()
    assert p.grad is None
    assert z.grad.abs().max() > 0


def test_gradient_is_the_derivative_of_the_value(eyes):
    z, y, p = eyes
    assert torch.autograd.gradcheck(lambda x: ContrastiveRegularizerLoss(window_db=1.05)(x, y, p), z.requires_grad_())


def test_arguments_out_of_range_are_refused(eyes):
    for key, value in (("temperature", 0), ("window_db", 0), ("push", -1)):
        with pytest.raises(InputError, match=key):
            ContrastiveRegularizerLoss(**{key: value})
    with pytest.raises(ValueError, match="expected \\(N, dim\\), \\(N,\\) and \\(N,\\)"):
        ContrastiveRegularizerLoss()(eyes[0], eyes[1], eyes[2].unsqueeze(1))


# ---- as a part of the objective --------------------------------------------------------------------------------------


def outputs():
    generator = torch.Generator().manual_seed(2)
    z = {name: torch.randn(6, 4, generator=generator) for name in ("oct", "fundus")}
    pred = {name: 3 * torch.randn(6, 1, generator=generator) for name in ("oct", "fundus")}
    z["oct"][2] = pred["oct"][2] = float("nan")  # the third eye has no OCT
    return {
        "pred": torch.randn(6, 1, generator=generator),
        "features": {"oct": {}, "fundus": {}},
        **{f"z_{name}": value for name, value in z.items()},
        **{f"pred_{name}": value for name, value in pred.items()},
    }


LABEL = torch.tensor([[0.0], [-0.5], [-9.0], [-9.5], [0.2], [-9.9]])


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_the_objective_adds_every_modality_s_term_of_the_eyes_that_have_it(beta):
    contrast, out = ContrastiveRegularizerLoss(window_db=2.0), outputs()
    parts = MultimodalConRLoss(contrast, 4.0, beta, conr_weight=0.7)(out, LABEL)
    has_oct = torch.tensor([True, True, False, True, True, True])
    oct_term = contrast(out["z_oct"][has_oct], LABEL[has_oct, 0], out["pred_oct"][has_oct, 0])
    fundus_term = contrast(out["z_fundus"], LABEL[:, 0], out["pred_fundus"][:, 0])
    plain = MultimodalRegressionLoss(4.0, beta)(out, LABEL)["total"]
    assert oct_term > 0
    assert fundus_term > 0
    torch.testing.assert_close(parts["total"], plain + 0.7 * (oct_term + fundus_term))
    without = MultimodalConRLoss(contrast, 4.0, beta, conr_weight=0.0)(out, LABEL)
    assert without["total"] == plain
