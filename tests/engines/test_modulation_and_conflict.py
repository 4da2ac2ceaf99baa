"""k_m and the combined gradient, as the trainer applies them."""

from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import Tensor, nn

from bundle.errors import InputError
from bundle.handlers import RebalancingHandler
from bundle.modulation import BalanceModulator, Modulator, OneSidedProjection, PCGrad
from bundle.networks import ConcatFusion, MDRegressor, TrainingNetwork
from tests.toy import MEAN_DB, SD_DB, adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer

K = {"oct": 2.0, "fundus": 0.5}


class Fixed(Modulator):
    """k_m given by hand."""

    def __init__(self, **k: float) -> None:
        self.k = k

    def coefficients(self, error: Any, sharpness: Any) -> dict[str, float]:
        return self.k


class GradientsBefore:
    """Gradients before the handlers that come after this one."""

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        self.gradients = {n: p.grad.clone() for n, p in engine.network.named_parameters() if p.grad is not None}


def step(k: dict[str, float] | None, apply_to: str, optimizer: Any, **settings: float) -> tuple[TrainingNetwork, Any]:
    network = toy_network()
    base = optimizer(network, **settings)
    handlers = [] if k is None else [RebalancingHandler(modulator=Fixed(**k), apply_to=apply_to)]
    toy_trainer(network, toy_batches(1), base, handlers).run()
    return network, base


def moved(network: nn.Module, part: str) -> dict[str, Tensor]:
    start = toy_network().state_dict()
    return {n: w.detach().double() - start[n].double() for n, w in network.state_dict().items() if f"{part}_" in n}


# ---- modulation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apply_to", "optimizer", "settings"),
    [("grad", sgd, {}), ("update", sgd, {}), ("update", adamw, {"weight_decay": 0.0})],
)
def test_one_step_is_k_times_as_long_in_the_encoders(apply_to: str, optimizer: Any, settings: dict) -> None:
    plain, _ = step(None, apply_to, optimizer, **settings)
    modulated, base = step(K, apply_to, optimizer, **settings)
    for name, k in K.items():
        expected = {n: k * d for n, d in moved(plain, name).items()}
        assert largest_difference(moved(modulated, name), expected) < 1e-6
        assert largest_difference(expected, {n: 0 * d for n, d in expected.items()}) > 1e-4
    assert largest_difference(modulated.regressor.fusion, plain.regressor.fusion) == 0.0
    assert {group["lr"] for group in base.param_groups} == {2e-3}


def test_the_oct_encoders_five_dimensional_weights_are_modulated() -> None:
    """A filter on tensors of four dimensions would leave Conv3d out, silently."""
    for apply_to, optimizer in (("grad", sgd), ("update", adamw)):
        settings = {"weight_decay": 0.0}
        steps = [step(k, apply_to, optimizer, **settings)[0] for k in (None, K)]
        convolutions = [{n: d for n, d in moved(network, "oct").items() if d.ndim == 5} for network in steps]
        assert len(convolutions[0]) == 3
        for name, plain in convolutions[0].items():
            assert torch.allclose(convolutions[1][name], 2 * plain, atol=1e-6), name


def test_update_mode_keeps_the_decay_of_adamw() -> None:
    """w <- w - lr k (Adam's direction) - lr decay w: the direction is that of a run without decay."""
    plain, _ = step(None, "update", adamw, weight_decay=0.0)
    modulated, base = step(K, "update", adamw, weight_decay=0.5)
    start = toy_network().state_dict()
    for name, k in K.items():
        expected = {n: k * d - 2e-3 * 0.5 * start[n].double() for n, d in moved(plain, name).items()}
        assert largest_difference(moved(modulated, name), expected) < 1e-6
    assert {group["weight_decay"] for group in base.param_groups} == {0.5}


def test_a_gradient_factor_is_lost_on_adam_and_so_update_mode_exists() -> None:
    """With a small epsilon in the denominator the factor cancels."""
    plain, modulated = toy_network(), toy_network()
    for network, handlers in ((plain, []), (modulated, [RebalancingHandler(modulator=Fixed(**K), apply_to="grad")])):
        optimizer = torch.optim.AdamW(network.parameter_groups(), lr=2e-3, eps=1e-16)
        toy_trainer(network, toy_batches(1), optimizer, handlers).run()
    assert largest_difference(plain, modulated) < 1e-6


def test_modulation_factors_of_two_modalities_multiply_to_one() -> None:
    network = toy_network()
    trainer = toy_trainer(network, toy_batches(4), handlers=[RebalancingHandler(modulator=BalanceModulator())])
    trainer.run()
    scalars = trainer.state.output["scalars"]
    assert scalars["k_oct"] * scalars["k_fundus"] == pytest.approx(1.0)
    assert scalars["k_oct"] != pytest.approx(1.0, abs=1e-3)
    lagging = max(("oct", "fundus"), key=lambda name: scalars[f"error_{name}"])
    assert scalars[f"k_{lagging}"] > 1


def test_update_mode_needs_an_optimizer_that_names_its_blocks() -> None:
    network = toy_network()
    trainer = toy_trainer(network, toy_batches(1), torch.optim.AdamW(network.parameters()),
                          [RebalancingHandler(modulator=BalanceModulator())])  # fmt: skip
    with pytest.raises(InputError, match="parameter_groups"):
        trainer.run()


@pytest.mark.parametrize("setting", [{"conflict": "both"}, {"apply_to": "weights"}])
def test_unknown_modes_are_refused(setting: dict[str, str]) -> None:
    with pytest.raises(InputError, match="expected one of"):
        RebalancingHandler(**setting)


# ---- conflict ------------------------------------------------------------------------------------------------------


class LinearEncoder(nn.Module):
    """One token: h = W x."""

    def __init__(self, n_inputs: int, out_features: int = 3) -> None:
        super().__init__()
        self.out_features = out_features
        self.linear = nn.Linear(n_inputs, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.flatten(1)).unsqueeze(1)


def linear_network(conflict: bool = True) -> TrainingNetwork:
    """Linear encoders and heads. The auxiliary head of each modality is the negative of its half of the fusion."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        regressor = MDRegressor(
            LinearEncoder(8), LinearEncoder(12), lambda o, f: ConcatFusion(o, f, hidden=0), MEAN_DB, SD_DB
        )
        with torch.no_grad():
            halves = regressor.fusion.head.weight.split(3, dim=1)
            for head, half in zip((regressor.oct_head, regressor.fundus_head), halves, strict=True):
                head.weight.copy_(-half if conflict else half)
        return TrainingNetwork(regressor, projection_dim=2)


def linear_batch() -> dict:
    """All labels far below the predictions, so that every residual has one sign."""
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randn(4, 1, 2, 2, 2, generator=generator),
        "fundus": torch.randn(4, 3, 2, 2, generator=generator),
        "label": MEAN_DB + SD_DB * (0.1 * torch.randn(4, 1, generator=generator) - 4), "row": [2, 3, 4, 5],
    }  # fmt: skip


def by_hand(network: TrainingNetwork, batch: dict) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """X_m, u_m and v_m with respect to h_m: l = mean ((yhat - y)/s)^2, so dl/dh = 2/n (yhat - y)/s head."""
    reg, y_B1 = network.regressor, (batch["label"] - MEAN_DB) / SD_DB
    x = {"oct": batch["image"].flatten(1), "fundus": batch["fundus"].flatten(1)}
    h = {m: x[m] @ network.encoder(m).linear.weight.T for m in x}
    fused = torch.cat([h["oct"], h["fundus"]], 1) @ reg.fusion.head.weight.T + reg.fusion.head.bias
    halves = dict(zip(x, reg.fusion.head.weight.split(3, dim=1), strict=True))
    values = {}
    for m in x:
        alone = h[m] @ network.head(m).weight.T + network.head(m).bias
        values[m] = x[m], 2 / 4 * (fused - y_B1) * halves[m], 0.5 * 2 / 4 * (alone - y_B1) * network.head(m).weight
    return {m: tuple(t.detach() for t in value) for m, value in values.items()}


def combined_gradient(
    mode: str, strength: float, combiner: Any = None
) -> tuple[TrainingNetwork, dict[str, Tensor], dict]:
    network, after = linear_network(), GradientsBefore()
    handlers = [RebalancingHandler(combiner or OneSidedProjection(strength), conflict=mode), after]
    trainer = toy_trainer(network, [linear_batch()], sgd(network, lr=0.0), handlers)
    trainer.run()
    return network, after.gradients, trainer.state.output["scalars"]


def test_feature_mode_on_a_linear_encoder_equals_the_hand_computation() -> None:
    network, gradients, scalars = combined_gradient("feature", 1.0)
    for m, (x, u, v) in by_hand(network, linear_batch()).items():
        overlap = float((u * v).sum())
        assert overlap < 0, "the toy must have a conflict"
        g = u + v - overlap / float((u * u).sum()) * u
        assert torch.allclose(gradients[f"regressor.{m}_encoder.linear.weight"], g.T @ x, atol=1e-6)
        assert scalars[f"cosine_{m}"] == pytest.approx(overlap / float(u.norm() * v.norm()), abs=1e-5)


def test_param_mode_equals_autograd_by_hand() -> None:
    network, gradients, scalars = combined_gradient("param", 1.0)
    for m, (x, u_h, v_h) in by_hand(network, linear_batch()).items():
        u, v = u_h.T @ x, v_h.T @ x
        overlap = float((u * v).sum())
        assert overlap < 0
        g = gradients[f"regressor.{m}_encoder.linear.weight"]
        assert torch.allclose(g, u + v - overlap / float((u * u).sum()) * u, atol=1e-6)
        assert float((g * u).sum()) >= float((u * u).sum()) * (1 - 1e-6)
        assert scalars[f"cosine_{m}"] == pytest.approx(overlap / float(u.norm() * v.norm()), abs=1e-5)


@pytest.mark.parametrize("mode", ["feature", "param"])
def test_strength_zero_is_the_plain_gradient(mode: str) -> None:
    network, gradients, _ = combined_gradient(mode, 0.0)
    for m, (x, u, v) in by_hand(network, linear_batch()).items():
        assert torch.allclose(gradients[f"regressor.{m}_encoder.linear.weight"], (u + v).T @ x, atol=1e-6)


@pytest.mark.parametrize("mode", ["feature", "param"])
def test_heads_and_fusion_keep_their_own_gradients(mode: str) -> None:
    plain, changed = (combined_gradient(mode, 1.0, combiner)[1] for combiner in (None, PCGrad()))
    for name in plain:
        same = torch.allclose(plain[name], changed[name], atol=1e-6)
        assert same == ("encoder" not in name), name


def test_modes_agree_where_there_is_no_conflict() -> None:
    runs = []
    for mode in ("feature", "param"):
        network = linear_network(conflict=False)
        toy_trainer(
            network, [linear_batch()], sgd(network), [RebalancingHandler(OneSidedProjection(), conflict=mode)]
        ).run()
        runs.append(network)
    assert largest_difference(*runs) < 1e-6
