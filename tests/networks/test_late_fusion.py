"""Late fusion and shared heads: formulas, scripting, writing down, parameter groups."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bundle.networks import AverageFusion, MDRegressor, SumFusion, build
from tests.toy import FUNDUS_SIZE, MEAN_DB, OCT_GRID, SD_DB, adamw, toy_encoder
from tests.toy_late import late_network

FUSIONS = [AverageFusion, SumFusion]
KINDS = [(fusion, shared, outputs) for fusion in FUSIONS for shared in (False, True) for outputs in (1, 3)]


def images(n: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(n, 1, *OCT_GRID, generator=generator),
        torch.randn(n, 3, FUNDUS_SIZE, FUNDUS_SIZE, generator=generator),
    )


def subsets() -> dict[str, tuple[Tensor | None, Tensor | None]]:
    image, fundus = images()
    some_image, some_fundus = images()
    some_image[[1, 3]], some_fundus[[2, 3]] = float("nan"), float("nan")
    return {"both": (image, fundus), "oct": (image, None), "fundus": (None, fundus), "mixed": (some_image, some_fundus)}


@pytest.mark.parametrize(("fusion", "shared", "outputs"), KINDS)
def test_scripted_and_rebuilt_networks_answer_the_same(fusion: Any, shared: bool, outputs: int) -> None:
    net = late_network(fusion, shared, head_outputs=outputs).regressor.eval()
    rebuilt = build(net.spec())
    rebuilt.load_state_dict(net.state_dict())
    assert build(rebuilt.spec()).spec() == net.spec()
    scripted = torch.jit.script(net)
    with torch.no_grad():
        for name, (image, fundus) in subsets().items():
            answer = net.predict_subsets(image, fundus)
            assert answer.shape == (4, 3), name
            assert bool(answer[:, 0].isfinite().all()) == (name != "mixed"), name
            assert torch.allclose(rebuilt.eval().predict_subsets(image, fundus), answer, atol=0.0, equal_nan=True), name
            assert torch.allclose(scripted.predict_subsets(image, fundus), answer, atol=1e-5, equal_nan=True), name


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("fusion", "factor"), [(AverageFusion, 0.5), (SumFusion, 1.0)])
def test_answer_is_the_mean_or_the_sum_of_the_heads(fusion: Any, factor: float, shared: bool) -> None:
    net = late_network(fusion, shared, head_outputs=2).regressor.eval()
    image, fundus = images()
    with torch.no_grad():
        u_oct = net.oct_encoder(image).mean(1) @ net.oct_head.weight[0] + net.oct_head.bias[0]
        u_fundus = net.fundus_encoder(fundus).mean(1) @ net.fundus_head.weight[0] + net.fundus_head.bias[0]
        expected = MEAN_DB + SD_DB * torch.stack([factor * (u_oct + u_fundus), u_oct, u_fundus], dim=1)
        assert torch.allclose(net.predict_subsets(image, fundus), expected, atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_training_network_and_regressor_agree(fusion: Any) -> None:
    """Also in an eye that lacks a modality, whose fused prediction is left out."""
    network = late_network(fusion, shared_head=True).eval()
    image, fundus = subsets()["mixed"]
    with torch.no_grad():
        outputs, answers = network(image, fundus), network.regressor.predict_subsets(image, fundus)
    both = torch.tensor([True, False, False, False])
    assert torch.allclose(outputs["pred"][both], answers[both, 0:1], atol=1e-5)
    assert bool(outputs["pred"][~both].isnan().all())
    for column, name in enumerate(("oct", "fundus"), start=1):
        assert torch.allclose(outputs[f"pred_{name}"], answers[:, column : column + 1], atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("probe_heads", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_every_parameter_is_in_exactly_one_group(shared: bool, probe_heads: bool) -> None:
    network = late_network(shared_head=shared, probe_heads=probe_heads)
    grouped = [id(p) for group in adamw(network).param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters())
    in_blocks = [id(p) for params in network.parameter_blocks().values() for p in params]
    assert len(in_blocks) == len(set(in_blocks))


def block_of(network: Any, parameter: Tensor) -> list[str]:
    groups = network.parameter_groups()
    return [group["block"] for group in groups if any(p is parameter for p in group["params"])]


@pytest.mark.parametrize(("probe_heads", "block"), [(False, "fusion"), (True, "probe")])
def test_a_shared_head_belongs_to_no_modality(probe_heads: bool, block: str) -> None:
    """Modulating a modality must not change the other's head."""
    network = late_network(shared_head=True, probe_heads=probe_heads)
    assert network.regressor.oct_head is network.regressor.fundus_head
    assert block_of(network, network.regressor.oct_head.weight) == [block]
    own = late_network(probe_heads=probe_heads)
    assert block_of(own, own.head("fundus").weight) == ["probe" if probe_heads else "fundus"]


def test_a_rebuilt_shared_head_is_still_shared() -> None:
    net = late_network(shared_head=True).regressor
    rebuilt = build(net.spec())
    assert rebuilt.oct_head is rebuilt.fundus_head
    assert len(list(rebuilt.parameters())) == len(list(net.parameters()))


def test_a_shared_head_of_unequal_widths_is_refused() -> None:
    narrow, wide = toy_encoder("oct", channels=(4, 8)), toy_encoder("fundus", channels=(4, 10))
    with pytest.raises(ValueError, match="shared_head: the encoders have 8 and 10 features; expected as many"):
        MDRegressor(narrow, wide, AverageFusion, shared_head=True)


def test_one_encoder_shares_its_head_with_nobody() -> None:
    net = MDRegressor(toy_encoder("oct"), shared_head=True)
    assert net.shared_head is False
    assert isinstance(net.fundus_head, torch.nn.Identity)
