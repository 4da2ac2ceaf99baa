"""GSAM, re-use of the second pass, and noise, in two processes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from bundle.handlers import GradientNoiseHandler, RebalancingHandler
from bundle.modulation import GSAMAscent, LookAheadReuse, OGMModulator, SAMAscent
from tests.engines.test_distributed import in_two_processes
from tests.toy import largest_difference, sgd, toy_batches, toy_network, toy_trainer, weights

RHO = 0.05
VARIANTS = ("gsam", "looksam", "ogm_ge")
SHARES = ("the same eyes", "half of the eyes each", "one modality each")


def parts(variant: str) -> dict[str, Any]:
    if variant == "gsam":
        return {"ascent": GSAMAscent(RHO)}
    if variant == "looksam":
        return {"ascent": SAMAscent(RHO), "look_ahead": LookAheadReuse(2, per_block=False)}
    return {"handlers": [RebalancingHandler(modulator=OGMModulator()), GradientNoiseHandler(0)]}


def eyes_of(number: int, share: str) -> list[dict]:
    if share == "one modality each":
        return toy_batches(3, eyes={("oct", "fundus")[number]: list(range(8))})
    part = slice(4 * number, 4 * number + 4) if share == "half of the eyes each" else slice(0, 8)
    return [{key: value[part] for key, value in batch.items()} for batch in toy_batches(3)]


def train(variant: str, batches: list[dict], wrap: bool) -> dict[str, torch.Tensor]:
    network = toy_network()
    trainer = toy_trainer(network, batches, sgd(network), **parts(variant))
    if wrap:
        trainer.network = DistributedDataParallel(network, find_unused_parameters=True)
    trainer.run()
    return weights(network)


def everything(number: int) -> dict[str, Any]:
    return {v: {s: train(v, eyes_of(number, s), wrap=True) for s in SHARES} for v in VARIANTS}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return in_two_processes(everything, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_ranks_with_the_same_eyes_are_one_process(results: list[Any], variant: str) -> None:
    alone = train(variant, toy_batches(3), wrap=False)
    assert largest_difference(results[0][variant]["the same eyes"], alone) < 1e-6
    assert largest_difference(alone, toy_network()) > 1e-4


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_ranks_end_with_the_same_weights(results: list[Any], variant: str, share: str) -> None:
    """Also where a rank lacks a modality, and with it the first gradients of an encoder."""
    first, second = (one[variant][share] for one in results)
    assert largest_difference(first, second) == 0.0
    assert largest_difference(first, toy_network()) > 1e-4
