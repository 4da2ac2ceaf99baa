"""For one seed every method begins with the same weights of the parts it has."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.integration.test_method_overlays import parser_of
from tests.toy import write_cohort

ENCODERS = ("regressor.oct_encoder", "regressor.fundus_encoder")
HEADS = ("regressor.oct_head", "regressor.fundus_head")
PROJECTIONS = ("projections.oct", "projections.fundus")
# the parts that each method shares with multi_loss
SHARED = {
    "concat": (*ENCODERS, *HEADS, *PROJECTIONS, "regressor.fusion"),
    "re_m3dr": (*ENCODERS, *HEADS, *PROJECTIONS, "regressor.fusion"),
    "fds": (*ENCODERS, *HEADS, *PROJECTIONS, "regressor.fusion"),
    "gated": (*ENCODERS, *HEADS, *PROJECTIONS),
    "cross_attention": (*ENCODERS, *HEADS, *PROJECTIONS),
    "ume": (*ENCODERS, *HEADS, *PROJECTIONS),
    "monig": (*ENCODERS, *PROJECTIONS),
    "oct_only": (ENCODERS[0], HEADS[0], PROJECTIONS[0]),
    "fundus_only": (ENCODERS[1], HEADS[1], PROJECTIONS[1]),
}


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    path, hook = list(sys.path), sys.excepthook
    with torch.random.fork_rng():
        yield
    sys.path[:], sys.excepthook = path, hook


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 12)


def beginning(name: str, manifest: Path, folder: Path, stray: int, **keys: int) -> dict[str, Tensor]:
    """Weights before the first step; `stray` numbers are drawn from torch's generator before."""
    torch.manual_seed(stray)
    network = parser_of(name, manifest, folder, **keys).get_parsed_content("training_network")
    return {key: value.clone() for key, value in network.state_dict().items()}


@pytest.mark.parametrize("name", SHARED)
def test_a_part_begins_alike_in_every_method(name: str, cohort: Path, tmp_path: Path) -> None:
    reference = beginning("multi_loss", cohort, tmp_path, 1)
    found = beginning(name, cohort, tmp_path, 2)
    for part in SHARED[name]:
        keys = [key for key in reference if key.startswith(f"{part}.")]
        assert keys, part
        assert all(torch.equal(reference[key], found[key]) for key in keys), part


def test_another_seed_begins_elsewhere(cohort: Path, tmp_path: Path) -> None:
    a, b = (beginning("ume", cohort, tmp_path, 1, seed=seed) for seed in (3, 4))
    assert not torch.equal(a["regressor.oct_head.weight"], b["regressor.oct_head.weight"])
