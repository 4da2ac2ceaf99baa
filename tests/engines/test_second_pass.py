"""What must be the same in both passes, and what a step may not touch."""

from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from bundle.handlers import ContrastiveHandler, RebalancingHandler
from bundle.losses import AdaptiveMarginContrastiveLoss
from bundle.modulation import ModalityBudgetAscent, OneSidedProjection
from tests.toy import SD_DB, adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer, weights


class Recorder:
    """What the network gave in every pass."""

    def __init__(self) -> None:
        self.passes: list[tuple[str, bool, dict[str, Any]]] = []
        self.parameters: list[dict[str, torch.Tensor]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        outputs = {
            k: v.detach().clone() for k, v in engine.state.output["outputs"].items() if k not in ("features", "heads")
        }
        self.passes.append((engine.state.sam_pass, engine.state.final_pass, outputs))
        self.parameters.append({name: p.detach().clone() for name, p in engine.network.named_parameters()})


def test_batch_norm_statistics_move_in_the_first_pass_only() -> None:
    """With rho the statistics are those of one ordinary pass over the batch, and each batch is counted once."""
    statistics = []
    for rho in (0.0, 0.1):
        network = toy_network(norm="batch")
        toy_trainer(network, toy_batches(1), ascent=ModalityBudgetAscent(rho)).run()
        statistics.append({k: v for k, v in weights(network).items() if "running" in k or "tracked" in k})
    assert len(statistics[0]) >= 6
    assert largest_difference(*statistics) == 0.0
    assert all(v == 1 for k, v in statistics[1].items() if "tracked" in k)


def test_both_passes_drop_the_same_units() -> None:
    """With a vanishing radius the second pass repeats the first; another dropout mask would be seen at once."""
    recorder = Recorder()
    network = toy_network(dropout=0.5)
    toy_trainer(network, toy_batches(3), handlers=[recorder], ascent=ModalityBudgetAscent(1e-12)).run()
    predictions = [outputs["pred"] for _, _, outputs in recorder.passes]
    assert [name for name, _, _ in recorder.passes] == ["first", "descent"] * 3
    for first, second in zip(predictions[::2], predictions[1::2], strict=True):
        assert torch.allclose(first, second, atol=1e-6)
    network.train()
    batch = toy_batches(1)[0]
    draws = [network(batch["image"], batch["fundus"])["pred"] for _ in range(2)]
    assert not torch.allclose(*draws, atol=1e-3)


def test_perturbation_has_length_rho_and_is_taken_back() -> None:
    recorder, network = Recorder(), toy_network()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    toy_trainer(network, toy_batches(1), adamw(network, lr=0.0), [recorder], ascent=ModalityBudgetAscent(0.05)).run()
    at_w, perturbed = recorder.parameters
    assert largest_difference(at_w, before) == 0.0
    length = torch.sqrt(sum(((perturbed[n] - at_w[n]).double() ** 2).sum() for n in at_w))
    assert float(length) == pytest.approx(0.05, rel=1e-4)
    assert largest_difference(network, toy_network()) == 0.0


def test_sharpness_is_the_relative_rise_of_each_modalitys_own_loss() -> None:
    """S_m from the recorded predictions and weights of both passes, with the formula of the method."""
    recorder, network, rho = Recorder(), toy_network(), 0.05
    (batch,) = toy_batches(1)
    trainer = toy_trainer(network, [batch], handlers=[recorder], ascent=ModalityBudgetAscent(rho, equalize=1.0))
    trainer.run()
    for name in ("oct", "fundus"):
        before, after = (
            float((((outputs[f"pred_{name}"] - batch["label"]) / SD_DB) ** 2).mean())
            for _, _, outputs in recorder.passes
        )
        own = [key for key in recorder.parameters[0] if name in key]
        moved = sum(float(((recorder.parameters[1][n] - recorder.parameters[0][n]).double() ** 2).sum()) for n in own)
        expected = max(0.0, after - before) / (moved**0.5 * (before + 1e-3))
        assert expected > 0
        assert trainer.sharpness.values[name] == pytest.approx(expected, rel=1e-3)
        assert trainer.state.output["errors"][name] == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("where", ["first pass only", "second pass only"])
def test_a_gradient_in_one_pass_only(where: str) -> None:
    """A block with a gradient in pass 1 alone comes back bit for bit; one with a gradient in pass 2 alone moves."""

    class OneSided:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

        def __call__(self, engine: Any) -> None:
            head = engine.training_network.projections["oct"]
            if (engine.state.sam_pass == "first") == (where == "first pass only"):
                tokens = engine.state.output["outputs"]["features"]["oct"]["h"].detach().mean(1)
                engine.state.output["loss"] = engine.state.output["loss"] + head(tokens).square().sum()

    network = toy_network()
    toy_trainer(network, toy_batches(1), handlers=[OneSided()], ascent=ModalityBudgetAscent(0.05)).run()
    difference = largest_difference(network.projections["oct"], toy_network().projections["oct"])
    assert (difference == 0.0) == (where == "first pass only")
    assert largest_difference(network.regressor.fusion, toy_network().regressor.fusion) > 0


@pytest.mark.parametrize("missing", ["oct", "fundus"])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_batch_without_one_modality_trains_the_other_alone(missing: str, norm: str) -> None:
    """Encoder, head and statistics of the absent modality stand still bit for bit, the other's move."""
    other = {"oct": "fundus", "fundus": "oct"}[missing]
    network = toy_network(norm=norm)
    batches = toy_batches(2, eyes={missing: list(range(8))})
    handlers = [
        ContrastiveHandler(
            AdaptiveMarginContrastiveLoss().fit(torch.cat([b["label"] for b in batches])), warmup_epochs=0
        ),
        RebalancingHandler(OneSidedProjection()),
    ]
    trainer = toy_trainer(
        network, batches, adamw(network, weight_decay=0.5), handlers, ascent=ModalityBudgetAscent(0.05)
    )
    trainer.run()
    assert trainer.state.output["skipped"] is False
    fresh = toy_network(norm=norm)
    assert largest_difference(network.encoder(missing), fresh.encoder(missing)) == 0.0
    assert largest_difference(network.head(missing), fresh.head(missing)) == 0.0
    assert largest_difference(network.encoder(other), fresh.encoder(other)) > 1e-6
    assert all(bool(v.isfinite().all()) for v in network.state_dict().values())


def test_unused_parameters_have_no_gradient_and_do_not_decay() -> None:
    """Zero gradients would let weight decay and momentum move them."""
    network = toy_network()  # without a contrastive term nothing uses the projections
    toy_trainer(network, toy_batches(2), adamw(network, weight_decay=0.5), [RebalancingHandler(OneSidedProjection())],
                ascent=ModalityBudgetAscent(0.05)).run()  # fmt: skip
    assert all(p.grad is None for p in network.projections.parameters())
    assert largest_difference(network.projections, toy_network().projections) == 0.0


def test_bfloat16_autocast_runs_on_cpu_and_stays_close_to_float32() -> None:
    runs = []
    for amp in (False, True):
        network = toy_network()
        trainer = toy_trainer(network, toy_batches(2), amp=amp, ascent=ModalityBudgetAscent(0.02))
        trainer.run()
        assert trainer.state.output["pred"].dtype == torch.float32
        runs.append(weights(network))
    assert 0 < largest_difference(*runs) < 0.02
    assert all(w.dtype == torch.float32 for w in runs[1].values() if w.is_floating_point())


def test_clipping_bounds_the_joint_gradient() -> None:
    network = toy_network()
    toy_trainer(network, toy_batches(1), sgd(network, lr=1.0, momentum=0.0), max_grad_norm=0.01).run()
    fresh = toy_network()
    with torch.no_grad():
        moved = sum(
            ((p - q).double() ** 2).sum() for p, q in zip(network.parameters(), fresh.parameters(), strict=True)
        )
    assert float(moved) ** 0.5 == pytest.approx(0.01, rel=1e-4)


def test_compile_and_contradicting_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="compile"):
        toy_trainer(toy_network(), toy_batches(1), compile=True)
    toy_trainer(toy_network(["oct"]), toy_batches(1), unimodal_weight=0.0)  # its one head is the answer, no probe
    for probe_heads, beta in ((True, 0.5), (False, 0.0)):
        with pytest.raises(ValueError, match="probe_heads"):
            toy_trainer(toy_network(probe_heads=probe_heads), toy_batches(1), unimodal_weight=beta)
