"""MLA's projection: P by closed form, and steps that leave the head's answers for earlier features alone."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from bundle.errors import InputError
from bundle.handlers import CheckpointHandler, GradientProjectionHandler, HandlerGroup
from bundle.losses import MultimodalRegressionLoss
from tests.toy import SD_DB, adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer
from tests.toy_late import Steps, alternating_trainer, late_network

ALPHA = 0.1


class Features:
    """r of every step, from the pooled features of the present eyes, and P after it."""

    def __init__(self, handler: GradientProjectionHandler | None = None) -> None:
        self.handler = handler
        self.r: list[np.ndarray] = []
        self.projectors: list[np.ndarray] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        outputs, name = engine.state.output["outputs"], engine.state.modality
        h_BNC = outputs["features"][name]["h"].detach().double().numpy()
        rows = [h_NC.mean(0) for h_NC, pred in zip(h_BNC, outputs[f"pred_{name}"], strict=True) if pred == pred]
        self.r.append(np.mean(rows, axis=0))
        if self.handler is not None:
            self.projectors.append(self.handler.projector.double().numpy())


def trained(batches: Any, optimizer: Any = sgd, **settings: Any) -> tuple[Features, Steps, Any]:
    network, steps = late_network(shared_head=True), Steps()
    features = Features(GradientProjectionHandler(**settings))
    handlers = [HandlerGroup([features.handler]), features, steps]
    alternating_trainer(network, batches, optimizer(network), handlers).run()
    return features, steps, network


def alphas(batches: int, alpha: float) -> list[float]:
    """alpha_t of each step; both modalities' steps of a batch have the same."""
    return [alpha ** (1 + b / batches) for b in range(batches) for _ in range(2)]


# ---- P -----------------------------------------------------------------------------------------------------------


def test_p_is_recursive_least_squares_in_plain_numpy() -> None:
    """Without normalisation recursion and inverse agree: P = (I + sum_t r_t r_t^T / alpha_t)^-1."""
    features, _, _ = trained(toy_batches(4), normalize="none")
    information = np.eye(8)
    for r, alpha_t, p in zip(features.r, alphas(4, ALPHA), features.projectors, strict=True):
        information += np.outer(r, r) / alpha_t
        np.testing.assert_allclose(p, np.linalg.inv(information), atol=2e-5)
    assert np.abs(features.projectors[-1] - np.eye(8)).max() > 0.1


@pytest.mark.parametrize(("normalize", "order"), [("spectral", 2), ("frobenius", "fro")])
def test_normalised_p_is_the_loop_with_a_norm_of_one(normalize: str, order: Any) -> None:
    features, _, _ = trained(toy_batches(4), normalize=normalize)
    expected = np.eye(8)
    for r, alpha_t, p in zip(features.r, alphas(4, ALPHA), features.projectors, strict=True):
        k = expected @ r / (alpha_t + r @ expected @ r)
        expected = expected - np.outer(k, r @ expected)
        expected /= np.linalg.norm(expected, order)
        np.testing.assert_allclose(p, expected, atol=2e-5)
        assert np.linalg.norm(p, order) == pytest.approx(1, abs=1e-5)


def learned(vectors: np.ndarray, **settings: Any) -> np.ndarray:
    handler = GradientProjectionHandler(**settings)
    handler.projector = torch.eye(vectors.shape[1])
    for r in vectors:
        handler._learn(torch.from_numpy(r).float(), handler.alpha)
    return handler.projector.numpy()


@pytest.mark.parametrize("normalize", ["none", "spectral", "frobenius"])
def test_with_alpha_towards_zero_p_takes_out_what_was_seen(normalize: str) -> None:
    r = np.random.default_rng(0).normal(size=(3, 6))
    p = learned(r, alpha=1e-6, normalize=normalize)
    assert np.abs(p @ r.T).max() < 1e-4
    assert np.linalg.matrix_rank(p, tol=1e-3) == 3


def test_orthogonal_features_give_the_orthogonal_projector() -> None:
    """P = I - sum_t r_t r_t^T / |r_t|^2."""
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0][:, :3].T
    r = q * np.array([[0.5], [1.0], [3.0]])
    np.testing.assert_allclose(learned(r, alpha=1e-6, normalize="none"), np.eye(6) - q.T @ q, atol=1e-4)


def test_an_eye_without_the_modality_is_not_in_the_mean() -> None:
    features, _, _ = trained(toy_batches(1, eyes={"oct": [0, 1, 5], "fundus": [2]}), normalize="none")
    information = np.eye(8) + sum(np.outer(r, r) for r in features.r) / ALPHA
    np.testing.assert_allclose(features.projectors[-1], np.linalg.inv(information), atol=2e-5)


# ---- steps -------------------------------------------------------------------------------------------------------


def plain_sgd(network: Any) -> torch.optim.Optimizer:
    return sgd(network, lr=0.05, momentum=0.0)


def plain_adamw(network: Any) -> torch.optim.Optimizer:
    return adamw(network, lr=0.02, weight_decay=0.5)


def disturbance(features: Features, steps: Steps) -> float:
    """Largest change that a step made to the head's weight, as seen by the mean features of earlier steps."""
    heads = [w["oct_head.weight"].double().numpy() for w in steps.weights]
    moves = [after - before for before, after in itertools.pairwise(heads)]
    return max(float(np.abs(move @ r).max()) for t, move in enumerate(moves) for r in features.r[: t + 1])


@pytest.mark.parametrize(
    ("optimizer", "apply_to"), [(plain_sgd, "grad"), (plain_sgd, "update"), (plain_adamw, "update")]
)
@pytest.mark.parametrize("normalize", ["none", "spectral"])
def test_a_step_leaves_the_heads_answers_for_earlier_features(optimizer: Any, apply_to: str, normalize: str) -> None:
    """Three batches, six steps, eight features: the photograph's step and later ones of OCT leave every r alone."""
    settings = {"apply_to": apply_to, "normalize": normalize, "alpha": 1e-6}
    features, steps, _ = trained(toy_batches(3), optimizer, **settings)
    assert disturbance(features, steps) < 1e-5
    first, last = (steps.weights[t]["oct_head.weight"] for t in (0, 1))
    assert float((last - first).abs().max()) > 1e-5, "the head must still learn"
    plain_features, plain_steps, network = Features(), Steps(), late_network(shared_head=True)
    alternating_trainer(network, toy_batches(3), optimizer(network), [plain_features, plain_steps]).run()
    assert disturbance(plain_features, plain_steps) > 1e-3


def test_projecting_the_gradient_is_lost_on_adamw() -> None:
    features, steps, _ = trained(toy_batches(3), plain_adamw, apply_to="grad", normalize="none", alpha=1e-6)
    assert disturbance(features, steps) > 1e-3


@pytest.mark.parametrize("apply_to", ["grad", "update"])
def test_the_weight_moves_by_the_projected_gradient_and_the_bias_by_its_own(apply_to: str) -> None:
    """Second step by hand: W <- W - lr dW P with the P of the first."""
    features, steps, _ = trained(toy_batches(1), plain_sgd, apply_to=apply_to)
    network = late_network(shared_head=True)
    network.regressor.load_state_dict(steps.weights[0])
    (batch,) = toy_batches(1)
    pred = network(torch.full_like(batch["image"], torch.nan), batch["fundus"])["pred_fundus"]
    (((pred - batch["label"]) / SD_DB) ** 2).mean().backward()
    head = network.regressor.oct_head
    expected = head.weight.detach() - 0.05 * head.weight.grad @ torch.from_numpy(features.projectors[0]).float()
    torch.testing.assert_close(steps.weights[1]["oct_head.weight"], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(steps.weights[1]["oct_head.bias"], head.bias.detach() - 0.05 * head.bias.grad)


def test_the_first_step_and_the_encoders_of_the_first_batch_are_those_of_plain_alternation() -> None:
    """Three Conv3d weights of the OCT encoder and all of the photograph's: only the head is projected."""
    _, steps, _ = trained(toy_batches(1))
    network, plain = late_network(shared_head=True), Steps()
    alternating_trainer(network, toy_batches(1), sgd(network), [plain]).run()
    assert largest_difference(steps.weights[0], plain.weights[0]) == 0.0
    changed = {n for n, w in steps.weights[1].items() if not torch.equal(w, plain.weights[1][n])}
    assert changed == {"oct_head.weight", "fundus_head.weight"}
    start = late_network(shared_head=True).regressor.state_dict()
    conv3d = [n for n, w in start.items() if w.ndim == 5]
    assert len(conv3d) == 3
    assert all(float((steps.weights[1][n] - start[n]).abs().max()) > 1e-5 for n in conv3d)


def test_one_modality_is_plain_training_of_it() -> None:
    runs = []
    for trainer in (toy_trainer, alternating_trainer):
        network = toy_network(["oct"])
        trainer(
            network, toy_batches(3), sgd(network), [GradientProjectionHandler()],
            loss_function=MultimodalRegressionLoss(SD_DB),
        ).run()  # fmt: skip
        runs.append(network)
    assert largest_difference(*runs) == 0.0


@pytest.mark.parametrize("apply_to", ["grad", "update"])
def test_a_skipped_step_teaches_p_nothing(apply_to: str) -> None:
    bad = toy_batches(2)[1]
    bad["image"][3, 0, 0, 0, 0] = float("nan")
    features, steps, _ = trained([toy_batches(1)[0], bad], apply_to=apply_to)
    assert steps.skipped == [False, False, True, False]
    assert np.array_equal(features.projectors[2], features.projectors[1])
    assert not np.array_equal(features.projectors[3], features.projectors[2])
    assert torch.equal(steps.weights[2]["oct_head.weight"], steps.weights[1]["oct_head.weight"])


# ---- state, errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apply_to", ["grad", "update"])
def test_stopping_and_going_on_is_never_having_stopped(tmp_path: Path, apply_to: str) -> None:
    def run(folder: Path, max_epochs: int, resume: str | None = None) -> tuple[Any, GradientProjectionHandler]:
        network, handler = late_network(shared_head=True), GradientProjectionHandler(apply_to=apply_to)
        handlers = [HandlerGroup([handler]), CheckpointHandler(str(folder), resume)]
        alternating_trainer(network, toy_batches(2), handlers=handlers, max_epochs=max_epochs).run()
        return network, handler

    straight = run(tmp_path / "straight", 3)
    run(tmp_path / "parts", 1)
    resumed = run(tmp_path / "parts", 3, resume=str(tmp_path / "parts"))
    assert largest_difference(resumed[0], straight[0]) == 0.0
    assert torch.equal(resumed[1].projector, straight[1].projector)


def test_a_state_is_a_copy() -> None:
    handler = GradientProjectionHandler()
    assert handler.state_dict() == {"projector": None}
    handler.projector = torch.eye(3)
    state = handler.state_dict()
    handler._learn(torch.ones(3), 0.1)
    assert torch.equal(state["projector"], torch.eye(3))


def test_what_cannot_be_projected_is_refused() -> None:
    with pytest.raises(InputError, match="found a SharpnessAwareTrainer, expected an AlternatingTrainer"):
        toy_trainer(late_network(shared_head=True), toy_batches(1), handlers=[GradientProjectionHandler()]).run()
    with pytest.raises(InputError, match="set network_def#shared_head to true"):
        alternating_trainer(late_network(), toy_batches(1), handlers=[GradientProjectionHandler()]).run()


@pytest.mark.parametrize(("name", "value"), [("alpha", 0.0), ("alpha", 1.5), ("normalize", "l1"), ("apply_to", "loss")])
def test_an_argument_outside_its_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name}: found"):
        GradientProjectionHandler(**{name: value})
