"""ReconBoost for regression: residuals by hand, back-fitting, who has a gradient."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bundle.errors import InputError
from bundle.losses import ReconBoostLoss

MEAN_DB, SD_DB = -6.0, 4.0
NAN = float("nan")


def loss_of(active: str | None, label_weight: float = 0.2) -> ReconBoostLoss:
    loss = ReconBoostLoss(SD_DB, MEAN_DB, label_weight)
    loss.active = active
    return loss


def outputs_of(share_oct: Tensor, share_fundus: Tensor) -> dict[str, Any]:
    """The network's outputs for standardised shares (B, 1), NaN where an image is missing."""
    fused = MEAN_DB + SD_DB * (share_oct + share_fundus)
    return {
        "pred": fused, "pred_oct": MEAN_DB + SD_DB * share_oct, "pred_fundus": MEAN_DB + SD_DB * share_fundus,
        "features": {"oct": {}, "fundus": {}},
    }  # fmt: skip


def column(*values: float, grad: bool = False) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1).requires_grad_(grad)


LABEL_DB = column(-2.0, -10.0)  # 1 and -1 standardised


def test_two_eyes_by_hand() -> None:
    """s_oct (.5, -.5), s_fundus .25: r = (.75, -1.25), squared errors .0625 and .5625; to the label .25 twice."""
    s_oct, s_fundus = column(0.5, -0.5, grad=True), column(0.25, 0.25, grad=True)
    parts = loss_of("oct")(outputs_of(s_oct, s_fundus), LABEL_DB)
    assert float(parts["total"]) == pytest.approx(0.3125 + 0.2 * 0.25)
    parts["total"].backward()
    assert s_oct.grad.flatten().tolist() == pytest.approx([-0.25 - 0.2 * 0.5, 0.75 + 0.2 * 0.5])
    assert s_fundus.grad is None
    assert float(parts["oct"]) == pytest.approx(0.25)
    assert float(parts["fundus"]) == pytest.approx((0.75**2 + 1.25**2) / 2)


def test_without_lambda_only_the_residual_counts() -> None:
    s_oct, s_fundus = column(0.5, -0.5), column(0.25, 0.25, grad=True)
    parts = loss_of("fundus", 0.0)(outputs_of(s_oct, s_fundus), LABEL_DB)
    assert float(parts["total"]) == pytest.approx(0.3125)
    parts["total"].backward()
    assert s_fundus.grad.flatten().tolist() == pytest.approx([-0.25, 0.75])


def test_rectification_is_the_error_of_the_sum_with_gradients_to_both() -> None:
    s_oct, s_fundus = column(0.5, -0.5, grad=True), column(0.25, 0.25, grad=True)
    parts = loss_of(None)(outputs_of(s_oct, s_fundus), LABEL_DB)
    assert float(parts["total"]) == pytest.approx(float(parts["fused"])) == pytest.approx(0.3125)
    parts["total"].backward()
    assert s_oct.grad.flatten().tolist() == s_fundus.grad.flatten().tolist() == pytest.approx([-0.25, 0.75])


@pytest.mark.parametrize("active", ["oct", "fundus", None])
def test_sample_weights_enter_every_term(active: str | None) -> None:
    outputs = outputs_of(column(0.5, -0.5, grad=True), column(0.25, 0.25, grad=True))
    both, first, second = (
        float(loss_of(active)(outputs, LABEL_DB, column(*w))["total"]) for w in ((1, 3), (2, 0), (0, 2))
    )
    assert both == pytest.approx(first / 2 + 3 * second / 2)


# ---- eyes that lack a modality ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("active", ["oct", None])
def test_a_missing_share_is_zero(active: str | None) -> None:
    """Second eye without a photograph: its residual is its label."""
    s_oct, s_fundus = column(0.5, -0.5, grad=True), column(0.25, NAN, grad=True)
    parts = loss_of(active, 0.0)(outputs_of(s_oct, s_fundus), LABEL_DB)
    assert float(parts["total"]) == pytest.approx((0.25**2 + 0.5**2) / 2)
    parts["total"].backward()
    assert s_oct.grad.flatten().tolist() == pytest.approx([-0.25, 0.5])
    if active is None:
        assert s_fundus.grad.flatten().tolist() == pytest.approx([-0.25, 0.0])


def test_an_eye_without_the_active_modality_is_left_out() -> None:
    s_oct, s_fundus = column(0.5, -0.5), column(0.25, NAN, grad=True)
    parts = loss_of("fundus")(outputs_of(s_oct, s_fundus), LABEL_DB)
    assert float(parts["total"]) == pytest.approx(0.25**2 + 0.2 * 0.75**2)


def test_a_batch_without_the_active_modality_teaches_nothing() -> None:
    s_oct, s_fundus = column(0.5, -0.5, grad=True), column(NAN, NAN)
    parts = loss_of("fundus")(outputs_of(s_oct, s_fundus), LABEL_DB)
    assert float(parts["total"]) == 0.0
    parts["total"].backward()
    assert s_oct.grad is None


def test_a_diverged_share_is_seen() -> None:
    parts = loss_of("oct")(outputs_of(column(0.5, -0.5, grad=True), column(0.25, float("inf"))), LABEL_DB)
    assert not bool(parts["total"].isfinite())


# ---- what the stages lead to -----------------------------------------------------------------------------------------


def minimised(loss: ReconBoostLoss, x: dict[str, Tensor], label_db: Tensor, rounds: int) -> dict[str, Tensor]:
    """Linear shares after stages that go to each minimum, without rectification; (features,) a modality."""
    w = {name: torch.zeros(features.shape[1], 1, dtype=torch.float64) for name, features in x.items()}
    for _ in range(rounds):
        for name in x:
            loss.active = name
            active = w[name].clone().requires_grad_()
            optimizer = torch.optim.LBFGS([active], max_iter=100, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

            def closure(name: str = name, active: Tensor = active, optimizer: Any = optimizer) -> Tensor:
                optimizer.zero_grad()
                shares = {key: x[key] @ (active if key == name else w[key]) for key in x}
                total = loss(outputs_of(shares["oct"], shares["fundus"]), label_db)["total"]
                total.backward()
                return total

            optimizer.step(closure)
            w[name] = active.detach()
    return w


def test_linear_shares_converge_to_the_joint_least_squares_fit() -> None:
    """Alternating between correlated blocks of regressors is back-fitting: its limit is NumPy's least squares."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(60, 1))
    x = {"oct": rng.normal(size=(60, 3)) + common, "fundus": rng.normal(size=(60, 2)) + common}
    y = common[:, 0] + x["oct"][:, 0] - 0.5 * x["fundus"][:, 1] + 0.3 * rng.normal(size=60)
    joint, *_ = np.linalg.lstsq(np.hstack([x["oct"], x["fundus"]]), y, rcond=None)
    tensors = {name: torch.from_numpy(features) for name, features in x.items()}
    label_db = torch.from_numpy(MEAN_DB + SD_DB * y).unsqueeze(1)
    w = minimised(loss_of(None, 0.0), tensors, label_db, rounds=25)
    np.testing.assert_allclose(torch.cat([w["oct"], w["fundus"]]).flatten(), joint, atol=1e-4)
    early = minimised(loss_of(None, 0.0), tensors, label_db, rounds=1)
    assert np.abs(torch.cat([early["oct"], early["fundus"]]).flatten().numpy() - joint).max() > 0.02


@pytest.mark.parametrize("label_weight", [0.2, 1.0])
def test_the_pull_to_the_label_makes_the_sum_of_shares_too_large(label_weight: float) -> None:
    """Two modalities that each know y: s_m = y (1 + lambda) / (2 + lambda)."""
    y = torch.randn(20, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = minimised(loss_of(None, label_weight), {"oct": y, "fundus": y}, MEAN_DB + SD_DB * y, rounds=30)
    for share in w.values():
        assert float(share) == pytest.approx((1 + label_weight) / (2 + label_weight), abs=1e-4)


@pytest.mark.parametrize("value", [-0.1, "1e-3", float("inf")])
def test_an_argument_outside_its_range_is_named(value: Any) -> None:
    with pytest.raises(InputError, match=r"^label_weight: found"):
        ReconBoostLoss(SD_DB, MEAN_DB, value)
