"""The network without branches answers as the one with branches does, and can be exported, whatever its parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bundle.deploy.export.batch_network import BatchNetwork
from bundle.deploy.export.comparison import compare
from bundle.deploy.export.writers import WRITERS, Answer
from bundle.networks import (
    AverageFusion,
    BlankEncoder,
    MDRegressor,
    NIGFusion,
    PatchStemEncoder,
    SumFusion,
)
from tests.deploy.export.conftest import random_eyes
from tests.networks.variants import ENCODERS, FUSIONS, GRID, SIZE

SHAPES = {"image": (1, *GRID), "fundus": (3, SIZE, SIZE)}


def patch_stem() -> tuple[nn.Module, nn.Module]:
    return PatchStemEncoder(3, 1, [2, 4, 2], (4, 8)), PatchStemEncoder(2, 3, [4, 4], (4, 8), norm="instance")


def blank() -> tuple[nn.Module, nn.Module]:
    return BlankEncoder(), BlankEncoder()


def of(name: str) -> Callable[[], tuple[nn.Module, nn.Module]]:
    return lambda: tuple(make() for make in ENCODERS[name])


CASES: dict[str, tuple[Callable[[], tuple[nn.Module, nn.Module]], dict[str, Any]]] = {
    "patch stem, concatenated": (patch_stem, {"fusion": FUSIONS["concat"]}),
    "resnet, gated": (of("resnet"), {"fusion": FUSIONS["gated"]}),
    "densenet, averaged": (of("densenet"), {"fusion": AverageFusion}),
    "vit, cross-attention": (of("vit"), {"fusion": FUSIONS["attention"]}),
    "efficientnet, linear": (of("efficientnet"), {"fusion": FUSIONS["linear"]}),
    "patch stem, evidential": (patch_stem, {"fusion": NIGFusion, "head_outputs": 4}),
    "patch stem, summed, one head": (patch_stem, {"fusion": SumFusion, "shared_head": True}),
    "blank": (blank, {"fusion": AverageFusion}),
}


def network(case: str) -> MDRegressor:
    """With statistics of the batch norms and a recalibration that are not those of the first day."""
    encoders, settings = CASES[case]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = MDRegressor(*encoders(), md_mean_db=-5.0, md_sd_db=3.0, **settings)
        for name, buffer in made.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5)
    made.set_recalibration([0.1, 0.2, -0.1, 0.05], [0.3, -0.2], [-0.1, 0.1])
    return made.eval()


def largest_db(answer: Answer, net: MDRegressor) -> float:
    lines = compare(answer, net, random_eyes(7, net.modalities, SHAPES), batch_sizes=(3, 1))
    return max(line.difference_db for line in lines)


@pytest.mark.parametrize("case", CASES)
def test_answers_as_the_original_in_every_subset_and_batch_size(case: str) -> None:
    net = network(case)
    flat = BatchNetwork(net)
    answer = lambda batch: torch.stack(flat(**{k: torch.from_numpy(x) for k, x in batch.items()}), 1).numpy()  # noqa: E731
    assert largest_db(answer, net) <= 2e-5


def test_an_eye_with_nothing_gets_nothing_and_leaves_the_others_alone() -> None:
    net = network("patch stem, concatenated")
    image, fundus = (torch.from_numpy(x) for x in random_eyes(3, shapes=SHAPES).values())
    before = torch.stack(BatchNetwork(net)(image, fundus), 1)
    image[1], fundus[1] = torch.nan, torch.nan
    after = torch.stack(BatchNetwork(net)(image, fundus), 1)
    assert after[1].isnan().all()
    assert torch.equal(after[[0, 2]], before[[0, 2]])


def test_neither_input_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        BatchNetwork(network("blank"))()


FAST = "patch stem, concatenated"


@pytest.mark.parametrize("format", ["torchscript", "torch_export", "onnx"])
@pytest.mark.parametrize("case", [pytest.param(case, marks=() if case == FAST else pytest.mark.slow) for case in CASES])
def test_exported_file_answers_as_the_original(case: str, format: str, tmp_path: Path) -> None:
    if format == "onnx":
        pytest.importorskip("onnxscript", reason="needs requirements-export.txt")
        pytest.importorskip("onnxruntime", reason="needs requirements-export.txt")
    net = network(case)
    file, write = WRITERS[format]
    answer = write(net, SHAPES, tmp_path / file, {"model_version": "0"})
    assert largest_db(answer, net) <= 1e-4
