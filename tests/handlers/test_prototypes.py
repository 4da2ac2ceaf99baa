"""PMR in training: when the term is there, for whom, and that it moves the slower encoder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from bundle.handlers import PrototypeHandler
from bundle.losses import PrototypeLoss, PrototypeMemory
from bundle.modulation import SAMAscent
from tests.handlers.training import training
from tests.toy import adamw, largest_difference, sgd, toy_batches, toy_network, toy_trainer


class Passes:
    """What the handler read and made, in every pass."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        output = engine.state.output
        self.seen.append({
            "pass": engine.state.sam_pass, "epoch": engine.state.epoch, "loss": float(output["loss"].detach()),
            "regression": float(output["losses"]["total"].detach()), "md_db": output["label"].flatten(),
            "h": {m: f["h"].detach().mean(1) for m, f in output["outputs"]["features"].items()},
            "aux": {m: float(v.detach()) for m, v in output["aux_losses"].items()}, "scalars": output["scalars"],
        })  # fmt: skip


def prototype_loss(batches: list[dict]) -> PrototypeLoss:
    return PrototypeLoss(bins=3).fit(torch.cat([batch["label"] for batch in batches]))


def run(batches: list[dict], weight: float = 0.7, **settings: Any) -> tuple[PrototypeHandler, list[dict], Any]:
    handler, passes, network = (
        PrototypeHandler(prototype_loss(batches), weight),
        Passes(),
        toy_network(probe_heads=True),
    )
    toy_trainer(network, batches, handlers=[handler, passes], **settings).run()
    return handler, passes.seen, network


def oct_behind(weight: float) -> PrototypeHandler:
    """Every eye is in bin 0, whose prototype is far from the OCT features and near the fundus features."""
    loss = PrototypeLoss(bins=2).fit([-1.0, 100.0])
    handler = PrototypeHandler(loss, weight)
    far_first = torch.tensor([10.0, 0.0]).unsqueeze(1).expand(2, 8).clone()
    for name, prototypes in (("oct", far_first), ("fundus", far_first.flip(0))):
        handler.memories[name] = PrototypeMemory(2)
        handler.memories[name].prototypes = prototypes
    return handler


def test_weight_zero_is_plain_fusion_bit_for_bit() -> None:
    batches = toy_batches(2)
    _, _, network = run(batches, weight=0.0, max_epochs=2)
    plain = toy_network(probe_heads=True)
    toy_trainer(plain, batches, max_epochs=2).run()
    assert largest_difference(network, plain) == 0.0


def test_first_epoch_has_no_term_and_leaves_the_mean_features_of_each_bin() -> None:
    batches = toy_batches(3)
    handler, seen, _ = run(batches, max_epochs=1)
    assert all(one["loss"] == one["regression"] for one in seen)
    md_db = torch.cat([one["md_db"] for one in seen])
    for name, memory in handler.memories.items():
        h = torch.cat([one["h"][name] for one in seen])
        for k in range(3):
            torch.testing.assert_close(memory.prototypes[k], h[handler.loss.bin_of(md_db) == k].mean(0))


def test_only_the_slower_modality_has_the_term_in_both_passes() -> None:
    batches = toy_batches(3)
    prototypes: dict[str, torch.Tensor] = {}

    class Keep:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

        def __call__(self, engine: Any) -> None:
            if engine.state.epoch == 2:
                prototypes.update({name: one.prototypes.clone() for name, one in handler.memories.items()})

    handler, passes = PrototypeHandler(prototype_loss(batches), 0.7), Passes()
    trainer = toy_trainer(
        toy_network(probe_heads=True), batches, handlers=[handler, Keep(), passes], max_epochs=2, ascent=SAMAscent(0.05)
    )
    trainer.run()
    second = [one for one in passes.seen if one["epoch"] == 2]
    assert [one["pass"] for one in second] == ["first", "descent"] * 3
    for first, descent in zip(second[::2], second[1::2], strict=True):
        scores = {m: float(handler.loss.true_bin_probability(h, first["md_db"], prototypes[m]).sum())
                  for m, h in first["h"].items()}  # fmt: skip
        slower, faster = sorted(scores, key=scores.__getitem__)
        for one in (first, descent):
            term = float(handler.loss(one["h"][slower], one["md_db"], prototypes[slower]))
            assert one["loss"] == pytest.approx(one["regression"] + 0.7 * term, rel=1e-5)
            assert one["aux"] == {slower: pytest.approx(0.7 * term, rel=1e-5), faster: 0.0}
        assert (first["scalars"][f"slower_{slower}"], first["scalars"][f"slower_{faster}"]) == (1.0, 0.0)


@pytest.mark.parametrize("optimiser", [sgd, adamw])
def test_the_slower_oct_encoders_conv3d_weights_move_and_nothing_of_the_faster_one(optimiser: Any) -> None:
    networks = []
    for weight in (0.0, 1.0):
        network = toy_network(probe_heads=True)
        toy_trainer(network, toy_batches(1), optimiser(network), [oct_behind(weight)]).run()
        networks.append(network)
    plain, pulled = networks
    after = dict(pulled.encoder("oct").named_parameters())
    conv3d = {name: w for name, w in plain.encoder("oct").named_parameters() if w.ndim == 5}
    assert len(conv3d) == 3
    for name, weights in conv3d.items():
        assert float((after[name] - weights).detach().abs().max()) > 1e-5, name
    for part in (lambda n: n.encoder("fundus"), lambda n: n.regressor.fusion, lambda n: n.head("oct")):
        assert largest_difference(part(plain), part(pulled)) == 0.0


def test_gradient_descent_moves_the_encoder_along_the_gradient_of_the_term() -> None:
    batch, moves = toy_batches(1), []
    for weight in (0.0, 0.5):
        network = toy_network(probe_heads=True)
        before = torch.cat([p.detach().flatten() for p in network.encoder("oct").parameters()])
        toy_trainer(network, batch, sgd(network, lr=0.01), [oct_behind(weight)]).run()
        moves.append(torch.cat([p.detach().flatten() for p in network.encoder("oct").parameters()]) - before)
    network, handler = toy_network(probe_heads=True), oct_behind(0.5)
    h = network(batch[0]["image"], batch[0]["fundus"])["features"]["oct"]["h"].mean(1)
    targets = torch.softmax(-(batch[0]["label"] - handler.loss.bin_db).abs() / 2.0, 1)
    term = torch.nn.functional.cross_entropy(-torch.cdist(h, handler.memories["oct"].prototypes), targets)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(term, list(network.encoder("oct").parameters()))])
    torch.testing.assert_close(moves[1] - moves[0], -0.01 * 0.5 * gradient, rtol=1e-3, atol=1e-6)


def test_eyes_without_the_modality_are_left_out() -> None:
    handler, seen, _ = run(toy_batches(2, eyes={"oct": [0, 5]}), max_epochs=2)
    md_db = seen[0]["md_db"]
    h = torch.cat([one["h"]["oct"][[1, 2, 3, 4, 6, 7]] for one in seen[:2]])
    own = torch.cat([one["md_db"][[1, 2, 3, 4, 6, 7]] for one in seen[:2]])
    first, _, _ = run(toy_batches(2, eyes={"oct": [0, 5]}), max_epochs=1)
    assert len(md_db) == 8
    for k in range(3):
        torch.testing.assert_close(first.memories["oct"].prototypes[k], h[handler.loss.bin_of(own) == k].mean(0))
    assert any(one["loss"] > one["regression"] for one in seen[2:])
    assert all(torch.isfinite(torch.tensor(one["loss"])) for one in seen)


def test_one_modality_alone_has_no_term() -> None:
    batches, passes = toy_batches(2), Passes()
    handlers = [PrototypeHandler(prototype_loss(batches)), passes]
    toy_trainer(toy_network(["oct"]), batches, handlers=handlers, max_epochs=2).run()
    assert all(one["loss"] == one["regression"] for one in passes.seen)


def test_resume_at_an_epochs_end_is_never_having_stopped(tmp_path: Path) -> None:
    def handler() -> list[Any]:
        return [PrototypeHandler(prototype_loss(toy_batches(1, size=16)))]

    straight = training(tmp_path / "a", max_epochs=4, extra_handlers=handler())
    straight.run()
    training(tmp_path / "b", max_epochs=2, extra_handlers=handler()).run()
    resumed = training(tmp_path / "b", max_epochs=4, resume=str(tmp_path / "b"), extra_handlers=handler())
    resumed.run()
    rows = straight.state.history.rows
    assert [rows[-1][f"slower_{m}"] for m in ("oct", "fundus")] != [0, 0]
    assert largest_difference(straight.network, resumed.network) == 0.0
