"""The evidential likelihood against SciPy's Student t, and which eyes enter which term."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from bundle.errors import InputError
from bundle.losses import EvidentialRegressionLoss, MultimodalRegressionLoss
from bundle.losses.evidential import nig_loss
from bundle.networks import MDRegressor, NIGFusion, TrainingNetwork
from bundle.networks.evidential import fuse_nig, nig_parameters
from tests.toy import MEAN_DB, SD_DB, adamw, toy_batches, toy_encoder, toy_trainer

RISK = 0.01


def drawn(n: int = 200) -> tuple[Tensor, Tensor]:
    """Parameters over several orders of magnitude, and targets."""
    generator = torch.Generator().manual_seed(0)
    parameters = nig_parameters(3 * torch.randn(n, 4, generator=generator, dtype=torch.float64))
    return parameters, 2 * torch.randn(n, 1, generator=generator, dtype=torch.float64)


def test_likelihood_is_that_of_students_t() -> None:
    parameters, y = drawn()
    mu, nu, alpha, beta = parameters.numpy().T
    oracle = -stats.t.logpdf(y[:, 0].numpy(), df=2 * alpha, loc=mu, scale=np.sqrt(beta * (1 + nu) / (nu * alpha)))
    np.testing.assert_allclose(nig_loss(parameters, y, 0.0)[:, 0].numpy(), oracle, rtol=1e-9, atol=1e-9)


def test_risk_takes_evidence_back_in_proportion_to_the_error() -> None:
    parameters, y = drawn()
    mu, nu, alpha, _ = parameters.split(1, dim=1)
    difference = nig_loss(parameters, y, 0.3) - nig_loss(parameters, y, 0.0)
    torch.testing.assert_close(difference, 0.3 * (mu - y).abs() * (2 * nu + alpha))


def test_gradients_are_those_of_finite_differences() -> None:
    raw, y = torch.randn(4, 4, dtype=torch.float64, requires_grad=True), torch.randn(4, 1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda r: nig_loss(nig_parameters(r), y, RISK), [raw])


def test_extreme_heads_keep_value_and_gradient_finite() -> None:
    raw = torch.tensor([[30.0, -200.0, -200.0, -200.0], [-30.0, 200.0, 200.0, 200.0]], requires_grad=True)
    loss = nig_loss(nig_parameters(raw), torch.zeros(2, 1), RISK).sum()
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(raw.grad.isfinite().all())  # type: ignore[union-attr]


# ---- the objective -------------------------------------------------------------------------------------------------


def network(modalities: tuple[str, ...] = ("oct", "fundus"), head_outputs: int = 4) -> TrainingNetwork:
    encoders: dict[str, Any] = {f"{name}_encoder": (lambda name=name: toy_encoder(name)) for name in modalities}
    fusion = NIGFusion if len(modalities) == 2 else None
    regressor = MDRegressor(
        **encoders, fusion=fusion, md_mean_db=MEAN_DB, md_sd_db=SD_DB, head_outputs=head_outputs, seed=0
    )
    return TrainingNetwork(regressor, projection_dim=6, seed=0)


def loss_of(**options: float) -> EvidentialRegressionLoss:
    return EvidentialRegressionLoss(MEAN_DB, SD_DB, **options)


@pytest.mark.parametrize("weighted", [False, True])
def test_every_term_is_the_mean_over_the_eyes_that_have_it(weighted: bool) -> None:
    (batch,) = toy_batches(1, eyes={"oct": [0, 5], "fundus": [5, 6]})
    weight = torch.linspace(0.5, 2, 8).unsqueeze(1)
    outputs = network()(batch["image"], batch["fundus"])
    parts = loss_of(unimodal_weight=0.7)(outputs, batch["label"], weight if weighted else None)
    laws = {name: nig_parameters(outputs["heads"][name]) for name in ("oct", "fundus")}
    laws["fused"] = fuse_nig(laws["oct"], laws["fundus"])
    eyes = {"oct": [1, 2, 3, 4, 6, 7], "fundus": [0, 1, 2, 3, 4, 7], "fused": [1, 2, 3, 4, 7]}
    y, expected = (batch["label"] - MEAN_DB) / SD_DB, {}
    for name, rows in eyes.items():
        one = nig_loss(laws[name], y, RISK) * (weight if weighted else 1.0)
        expected[name] = one[rows].mean()
        torch.testing.assert_close(parts[name], expected[name])
    torch.testing.assert_close(parts["total"], expected["fused"] + 0.7 * (expected["oct"] + expected["fundus"]))
    parts["total"].backward()


def test_a_modality_that_nobody_has_is_zero() -> None:
    (batch,) = toy_batches(1, eyes={"oct": list(range(8))})
    parts = loss_of()(network()(batch["image"], batch["fundus"]), batch["label"])
    assert (float(parts["oct"]), float(parts["fused"])) == (0.0, 0.0)
    torch.testing.assert_close(parts["total"], parts["fundus"])


def test_one_modality_is_its_own_evidential_regression() -> None:
    (batch,) = toy_batches(1)
    outputs = network(("oct",))(batch["image"], batch["fundus"])
    parts = loss_of()(outputs, batch["label"])
    expected = nig_loss(nig_parameters(outputs["heads"]["oct"]), (batch["label"] - MEAN_DB) / SD_DB, RISK).mean()
    assert set(parts) == {"total", "fused"}
    torch.testing.assert_close(parts["total"], expected)


def test_what_is_measured_stays_the_squared_error() -> None:
    (batch,) = toy_batches(1)
    outputs = network()(batch["image"], batch["fundus"])
    expected = MultimodalRegressionLoss(SD_DB).errors(outputs, batch["label"])
    assert loss_of().errors(outputs, batch["label"]) == expected


def test_training_lowers_the_error() -> None:
    net, batches = network(), toy_batches(4)
    errors: list[float] = []
    trainer = toy_trainer(net, batches, adamw(net, lr=1e-2), loss_function=loss_of(), max_epochs=15)
    trainer.run()
    with torch.no_grad():
        for batch in batches:
            pred = net.regressor.eval()(batch["image"], batch["fundus"])
            errors.append(float((pred - batch["label"]).square().mean()))
    assert np.mean(errors) < 0.5 * SD_DB**2


def test_a_network_of_other_heads_is_refused() -> None:
    (batch,) = toy_batches(1)
    net = network(("oct",), head_outputs=1)
    with pytest.raises(InputError, match="found 1, expected 4"):
        loss_of()(net(batch["image"], batch["fundus"]), batch["label"])


@pytest.mark.parametrize(("options", "name"), [({"risk": -1.0}, "risk"), ({"unimodal_weight": 0.0}, "unimodal_weight")])
def test_impossible_arguments_are_refused(options: dict[str, float], name: str) -> None:
    with pytest.raises(InputError, match=name):
        loss_of(**options)
