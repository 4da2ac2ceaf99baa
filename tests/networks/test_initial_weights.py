"""Initial weights are a function of (seed, part)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bundle.networks import AverageFusion, ConcatFusion, GatedFusion, MDRegressor, PatchStemEncoder, TrainingNetwork

ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "oct_encoder": lambda: PatchStemEncoder(3, 1, [2, 4, 2], (4, 8)),
    "fundus_encoder": lambda: PatchStemEncoder(2, 3, [4, 4], (4, 8)),
}


def network(seed: int | None = 3, fusion: Any = ConcatFusion, parts: tuple[str, ...] = ("oct", "fundus")) -> Any:
    encoders: dict[str, Any] = {f"{name}_encoder": ENCODERS[f"{name}_encoder"] for name in parts}
    regressor = MDRegressor(**encoders, fusion=fusion if len(parts) == 2 else None, seed=seed)
    return TrainingNetwork(regressor, projection_dim=6, seed=seed)


def part(net: Any, name: str) -> list[Tensor]:
    return [value for key, value in net.state_dict().items() if name in key and "recalibration" not in key]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    assert a, "no such part"
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "other",
    [
        lambda: network(parts=("oct",)),
        lambda: network(fusion=GatedFusion),
        lambda: network(fusion=AverageFusion),
        lambda: network(fusion=lambda o, f: ConcatFusion(o, f, hidden=5)),
    ],
    ids=["oct_only", "gated", "average", "hidden"],
)
def test_a_part_begins_alike_whatever_else_the_network_has(other: Callable[[], Any]) -> None:
    torch.manual_seed(1)
    first = network()
    torch.manual_seed(2)
    second = other()
    for name in ("oct_encoder", "oct_head", "projections.oct"):
        assert equal(part(first, name), part(second, name)), name


def test_fundus_only_begins_like_the_fundus_part_of_both() -> None:
    for name in ("fundus_encoder", "fundus_head", "projections.fundus"):
        assert equal(part(network(), name), part(network(parts=("fundus",)), name)), name


@pytest.mark.parametrize("name", ["oct_encoder", "fundus_head", "fusion", "projections.oct"])
def test_another_seed_gives_other_weights(name: str) -> None:
    assert not equal(part(network(seed=3), name), part(network(seed=4), name))


def test_parts_of_one_seed_differ() -> None:
    net = network()
    assert not equal(part(net, "oct_head"), part(net, "fundus_head"))
    assert not equal(part(net, "projections.oct"), part(net, "projections.fundus"))


def test_the_global_generator_goes_on_as_if_nothing_had_been_made() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    network()
    assert torch.equal(torch.rand(3), expected)


def test_an_error_inside_puts_the_generator_back_too() -> None:
    def failing() -> nn.Module:
        torch.rand(1)
        raise ZeroDivisionError

    state = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        MDRegressor(failing, seed=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_seed_torchs_generator_is_used() -> None:
    torch.manual_seed(5)
    first = network(seed=None)
    torch.manual_seed(5)
    assert equal(part(first, "oct_encoder"), part(network(seed=None), "oct_encoder"))
    assert not equal(part(first, "oct_encoder"), part(network(seed=None), "oct_encoder"))
