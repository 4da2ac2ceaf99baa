"""MDRegressor: shapes, missing modalities, writing down and rebuilding, scripting."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bundle.errors import InputError
from bundle.networks import (
    GatedFusion,
    MDRegressor,
    PatchStemEncoder,
    ResNetEncoder,
    build,
)
from tests.networks.variants import ENCODERS, FUSIONS, GRID, SIZE
from tests.toy import FUNDUS_SIZE, OCT_GRID, largest_difference, toy_regressor

CASES = [(name, "concat") for name in ENCODERS] + [("patch_stem", name) for name in FUSIONS if name != "concat"]


def network(encoders: str, fusion: str) -> MDRegressor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        oct_encoder, fundus_encoder = (make() for make in ENCODERS[encoders])
        return MDRegressor(oct_encoder, fundus_encoder, FUSIONS[fusion], md_mean_db=-5.0, md_sd_db=3.0).eval()


def images(n: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, *GRID, generator=generator), torch.randn(n, 3, SIZE, SIZE, generator=generator)


def mixed(n: int = 4) -> tuple[Tensor, Tensor]:
    """Row 1 has no OCT, row 2 no photograph, row 3 neither."""
    image, fundus = images(n)
    image[[1, 3]], fundus[[2, 3]] = float("nan"), float("nan")
    return image, fundus


def same(a: Tensor, b: Tensor, atol: float = 1e-5) -> bool:
    return torch.allclose(a, b, atol=atol, equal_nan=True)


@pytest.mark.parametrize(("encoders", "fusion"), CASES)
def test_shapes_spec_round_trip_and_scripting(encoders: str, fusion: str) -> None:
    net = network(encoders, fusion)
    image, fundus = images()
    subsets = {"both": (image, fundus), "oct": (image, None), "fundus": (None, fundus), "mixed": mixed()}
    rebuilt = build(net.spec())
    rebuilt.load_state_dict(net.state_dict())
    assert build(rebuilt.spec()).spec() == net.spec()
    scripted = torch.jit.script(net)
    with torch.no_grad():
        for name, (i, f) in subsets.items():
            answer = net(i, f)
            assert answer.shape == (4, 1), name
            assert bool(answer.isfinite().all()) == (name != "mixed"), name
            assert same(rebuilt.eval()(i, f), answer, atol=0.0), name
            assert same(scripted(i, f), answer), name


@pytest.mark.parametrize("modality", ["oct", "fundus"])
def test_a_network_of_one_modality_is_scriptable(modality: str) -> None:
    net = toy_regressor([modality]).eval()
    scripted = torch.jit.script(net)
    image, fundus = torch.randn(3, 1, *OCT_GRID), torch.randn(3, 3, FUNDUS_SIZE, FUNDUS_SIZE)
    image[1], fundus[1] = float("nan"), float("nan")
    with torch.no_grad():
        for given in ((image, fundus), (image, None) if modality == "oct" else (None, fundus)):
            assert same(scripted(*given), net(*given))
            assert same(scripted.predict_subsets(*given), net.predict_subsets(*given))


@pytest.mark.parametrize("encoders", ENCODERS)
def test_encoders_give_tokens_of_their_declared_width(encoders: str) -> None:
    with torch.no_grad():
        for make, x in zip(ENCODERS[encoders], images(2), strict=True):
            encoder = make().eval()
            tokens = encoder(x)
            assert tokens.ndim == 3
            assert tokens.shape[0] == 2
            assert tokens.shape[2] == encoder.out_features


def test_resnet_tokens_are_the_features_of_monais_own_network() -> None:
    """The pooled tokens, through a linear layer, are what MONAI's ResNet predicts with the same weights."""
    from monai.networks.nets import ResNet

    whole = ResNet(
        "basic", [1, 1, 1, 1], [8, 16, 32, 64], spatial_dims=2, n_input_channels=3, conv1_t_stride=2, num_classes=2
    ).eval()
    encoder = ResNetEncoder(2, 3, depth=10, widen=0.125).eval()
    parts = [whole.conv1, whole.bn1, whole.act, whole.maxpool, whole.layer1, whole.layer2, whole.layer3, whole.layer4]
    encoder.layers.load_state_dict(nn.Sequential(*parts).state_dict())
    with torch.no_grad():
        assert same(whole.fc(encoder(images()[1]).mean(1)), whole(images()[1]))


def test_output_is_mean_plus_sd_times_the_head() -> None:
    net = network("patch_stem", "linear")
    image, fundus = images()
    with torch.no_grad():
        oct_BC, fundus_BC = net.oct_encoder(image).mean(1), net.fundus_encoder(fundus).mean(1)
        head = net.fusion.head
        expected = -5.0 + 3.0 * (torch.cat([oct_BC, fundus_BC], 1) @ head.weight.T + head.bias)
        assert same(net(image, fundus), expected)
        assert same(net(image), -5.0 + 3.0 * net.oct_head(oct_BC))
        assert same(net(fundus=fundus), -5.0 + 3.0 * net.fundus_head(fundus_BC))


def test_gated_fusion_is_its_formula() -> None:
    fusion = GatedFusion(5, 4, width=3, hidden=0)
    oct_BNC, fundus_BNC = torch.randn(2, 7, 5), torch.randn(2, 6, 4)
    o, f = oct_BNC.mean(1), fundus_BNC.mean(1)
    g = torch.sigmoid(fusion.gate(torch.cat([o, f], 1)))
    assert same(
        fusion(oct_BNC, fundus_BNC), fusion.head(g * fusion.oct_projection(o) + (1 - g) * fusion.fundus_projection(f))
    )


def test_missing_rows_get_the_unimodal_heads_answer() -> None:
    net = network("patch_stem", "concat")
    image, fundus = images()
    with torch.no_grad():
        subsets, alone = net.predict_subsets(*mixed()), net.predict_subsets(image, fundus)
    assert same(subsets[0], alone[0])
    assert same(subsets[1], torch.stack([alone[1, 2], torch.tensor(float("nan")), alone[1, 2]]))
    assert same(subsets[2], torch.stack([alone[2, 1], alone[2, 1], torch.tensor(float("nan"))]))
    assert bool(subsets[3].isnan().all())


def test_no_image_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="both `image`"):
        network("patch_stem", "concat")()
    with pytest.raises(torch.jit.Error, match="both `image`"):
        torch.jit.script(network("patch_stem", "concat"))()


def test_permuting_the_batch_permutes_the_answers() -> None:
    net, order = network("patch_stem", "attention"), torch.tensor([2, 0, 3, 1])
    image, fundus = mixed()
    with torch.no_grad():
        assert same(net(image[order], fundus[order]), net(image, fundus)[order])


@pytest.mark.parametrize("training", [False, True])
def test_rows_without_an_image_do_not_influence_the_others(training: bool) -> None:
    """In training mode batch norm must see the present eyes only, statistics included."""
    image, _ = images()
    image[2:] = float("nan")
    nets = [network("patch_stem", "concat").train(training) for _ in range(2)]
    with torch.no_grad():
        padded, alone = nets[0].predict_subsets(image, None), nets[1].predict_subsets(image[:2], None)
    assert same(padded[:2], alone)
    assert largest_difference(*nets) == 0.0


def test_one_encoder_needs_no_fusion_and_two_do() -> None:
    net = MDRegressor(fundus_encoder=ENCODERS["patch_stem"][1]())
    assert net.modalities == ["fundus"]
    assert net.eval()(fundus=images()[1]).shape == (4, 1)
    with pytest.raises(ValueError, match="expected `fusion`"):
        MDRegressor(*(make() for make in ENCODERS["patch_stem"]))
    with pytest.raises(ValueError, match="found neither"):
        MDRegressor()


# ---- writing down --------------------------------------------------------------------------------------------------


def test_spec_is_plain_json(tmp_path: Path) -> None:
    import json

    spec = network("resnet", "attention").spec()
    assert json.loads(json.dumps(spec)) == spec


@pytest.mark.parametrize("place", ["network", "encoder"])
def test_build_runs_nothing_but_networks_of_this_package(place: str, tmp_path: Path) -> None:
    sentinel = tmp_path / "ran"
    payload = {"_target_": "subprocess.check_output", "args": ["touch", str(sentinel)]}
    spec = payload if place == "network" else toy_regressor().spec() | {"oct_encoder": payload}
    with pytest.raises(InputError, match=r"subprocess\.check_output"):
        build(spec)
    assert not sentinel.exists()


WRONG: list[Any] = [
    {}, None, "text", {"_target_": "bundle.networks.build"}, {"_target_": "bundle.networks.spec.build"},
    {"_target_": "bundle.networks.Nothing"}, {"_target_": "bundle.networks.PatchStemEncoder", "patchs": 3},
    {"_target_": "bundle.networks.ResNetEncoder", "spatial_dims": 2, "in_channels": 3, "depth": 11},
    {"_target_": "bundle.networks.PatchStemEncoder", "spatial_dims": 2, "in_channels": 3, "patch": [4]},
    {"_target_": "bundle.networks.MDRegressor", "oct_encoder": "text"},
]  # fmt: skip


@pytest.mark.parametrize("spec", WRONG, ids=str)
def test_a_wrong_spec_is_refused_in_one_line(spec: Any) -> None:
    with pytest.raises(InputError, match=r"model\.json") as caught:
        build(spec)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_written_down_is_named() -> None:
    encoder = PatchStemEncoder(2, 3, [4, 4], (4, 8))
    encoder._spec["norm"] = object()
    with pytest.raises(InputError, match=r"PatchStemEncoder\.norm: a object"):
        encoder.spec()
