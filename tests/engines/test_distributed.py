"""Two processes agree with one that sees the joint batch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from bundle.engines.distributed import any_rank, gather_rows, mean_over_ranks, rank, world_size
from bundle.handlers import ContrastiveHandler, RebalancingHandler
from bundle.losses import AdaptiveMarginContrastiveLoss
from bundle.modulation import BalanceModulator, ModalityBudgetAscent, OneSidedProjection
from tests.toy import largest_difference, sgd, toy_batches, toy_network, toy_trainer

MD_DB = torch.tensor([-1.0, -3.0, -9.0, -2.5, -14.0])
X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
OWN = (slice(0, 3), slice(3, 5))  # the ranks hold different numbers of rows


def test_one_process_changes_nothing() -> None:
    values = {"oct": 1.0}
    assert (world_size(), rank()) == (1, 0)
    assert mean_over_ranks(values, torch.device("cpu")) is values
    assert gather_rows(X, MD_DB)[0] is X
    assert any_rank(True, torch.device("cpu")) is True


def in_two_processes(work: Callable[[int], Any], folder: Path) -> list[Any]:
    mp.spawn(_process, args=(work, str(folder)), nprocs=2, join=True)
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in range(2)]


def _process(number: int, work: Callable[[int], Any], folder: str) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    torch.save(work(number), Path(folder) / f"{number}.pt")
    dist.destroy_process_group()


def linear() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(4, 3)


def contrast() -> AdaptiveMarginContrastiveLoss:
    return AdaptiveMarginContrastiveLoss().fit(MD_DB)


def small_things(number: int) -> dict[str, Any]:
    model = DistributedDataParallel(linear())
    z, md_db = gather_rows(model(X[OWN[number]]), MD_DB[OWN[number]])
    loss = contrast()(z, md_db)
    loss.backward()
    nan, cpu = float("nan"), torch.device("cpu")
    return {
        "loss": loss.detach(), "md_db": md_db, "gradient": model.module.weight.grad,
        "mean": mean_over_ranks({"a": float(number), "b": nan if number else 4.0, "c": nan}, cpu),
        "any": [any_rank(number == 1, cpu), any_rank(False, cpu)],
    }  # fmt: skip


def whole_training(number: int) -> dict[str, Any]:
    """Every part on; each rank has its own half of every batch."""
    network = toy_network()
    wrapped = DistributedDataParallel(network, find_unused_parameters=True)
    part = slice(4 * number, 4 * number + 4)
    batches = [{key: value[part] for key, value in batch.items()} for batch in toy_batches(3)]
    loss = AdaptiveMarginContrastiveLoss().fit(torch.cat([batch["label"] for batch in toy_batches(3)]))
    handlers = [
        ContrastiveHandler(loss, warmup_epochs=1, queue_size=16),
        RebalancingHandler(OneSidedProjection(), BalanceModulator()),
    ]
    trainer = toy_trainer(network, batches, sgd(network), handlers, ascent=ModalityBudgetAscent(0.02), max_epochs=2)
    trainer.network = wrapped
    trainer.run()
    scalars = trainer.state.output["scalars"]
    agreed = {name: v for name, v in scalars.items() if name.startswith(("k_", "sharpness_", "error_", "share_"))}
    return {"weights": network.state_dict(), "agreed": agreed}


def single_step(number: int) -> dict[str, Any]:
    """One pass a step: two half batches are one whole batch."""
    network = toy_network()
    part = slice(4 * number, 4 * number + 4)
    batches = [{key: value[part] for key, value in batch.items()} for batch in toy_batches(3)]
    trainer = toy_trainer(network, batches, sgd(network))
    trainer.network = DistributedDataParallel(network, find_unused_parameters=True)
    trainer.run()
    return network.state_dict()


def everything(number: int) -> dict[str, Any]:
    return {"small": small_things(number), "training": whole_training(number), "single": single_step(number)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return in_two_processes(everything, tmp_path_factory.mktemp("ranks"))


def test_gathered_rows_give_the_gradient_of_the_joint_batch(results: list[Any]) -> None:
    model = linear()
    loss = contrast()(model(X), MD_DB)
    loss.backward()
    for one in results:
        assert torch.equal(one["small"]["md_db"], MD_DB)
        assert torch.allclose(one["small"]["loss"], loss, atol=1e-6)
        assert torch.allclose(one["small"]["gradient"], model.weight.grad, atol=1e-6)


def test_means_leave_out_what_a_rank_does_not_have(results: list[Any]) -> None:
    for one in results:
        mean = one["small"]["mean"]
        assert (mean["a"], mean["b"]) == (0.5, 4.0)
        assert mean["c"] != mean["c"]
        assert one["small"]["any"] == [True, False]


def test_ranks_agree_on_coefficients_and_weights(results: list[Any]) -> None:
    first, second = (one["training"] for one in results)
    assert first["agreed"] == second["agreed"]
    assert first["agreed"]["k_oct"] != pytest.approx(1.0, abs=1e-3)
    assert first["agreed"]["sharpness_oct"] > 0
    assert largest_difference(first["weights"], second["weights"]) == 0.0
    assert largest_difference(first["weights"], toy_network()) > 1e-4


def test_two_half_batches_are_one_batch(results: list[Any]) -> None:
    network = toy_network()
    toy_trainer(network, toy_batches(3), sgd(network)).run()
    assert largest_difference(results[0]["single"], network) < 1e-6
