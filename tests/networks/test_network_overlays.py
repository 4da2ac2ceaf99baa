"""Every overlay of configs/networks fits train.yaml and inference.yaml alike, and its network answers in dB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from bundle.networks import TrainingNetwork, build

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = {path.stem: path for path in sorted((ROOT / "configs" / "networks").glob("*.yaml"))}
FUSIONS = {"gated", "cross_attention"}
# Inputs small enough for seconds, large enough for every stride; ViT's must be multiples of its patches.
SMALL = {"oct_grid": [32, 64, 32], "fundus_size": 64}
CLASSES = {
    "resnet": "ResNetEncoder",
    "densenet": "DenseNetEncoder",
    "efficientnet": "EfficientNetEncoder",
    "vit": "ViTEncoder",
}


def parser(name: str, base: str = "inference", **keys: Any) -> ConfigParser:
    found = ConfigParser()
    found.read_config([str(ROOT / "configs" / f"{base}.yaml"), str(OVERLAYS[name])])
    if base == "train":
        keys = {"network_def#md_mean_db": -5.0, "network_def#md_sd_db": 6.0, **keys}  # instead of a cohort's
    found.update(keys)
    return found


def inputs(found: ConfigParser) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    grid, size = found["oct_grid"], found["fundus_size"]
    return torch.randn(2, 1, *grid, generator=generator), torch.randn(2, 3, size, size, generator=generator)


def test_there_is_one_for_each_backbone_and_fusion():
    assert set(OVERLAYS) == set(CLASSES) | FUSIONS | {"small"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_train_and_inference_build_the_same_network(name):
    """Its keys exist in both, and a state dict of the one loads into the other."""
    for base in ("train", "inference"):
        known = yaml.safe_load((ROOT / "configs" / f"{base}.yaml").read_text(encoding="utf-8"))
        for key in yaml.safe_load(OVERLAYS[name].read_text(encoding="utf-8")):
            top, _, nested = key.partition("#")
            assert nested in known[top] if nested else top in known
    trained = parser(name, "train", **SMALL).get_parsed_content("network_def")
    served = parser(name, **SMALL).get_parsed_content("network_def")
    served.load_state_dict(trained.state_dict())
    assert (float(served.md_mean_db), float(served.md_sd_db)) == (-5.0, 6.0)


@pytest.mark.parametrize("name", OVERLAYS)
def test_network_answers_from_both_and_from_either(name):
    found = parser(name, **SMALL)
    network = found.get_parsed_content("network_def").eval()
    image, fundus = inputs(found)
    with torch.no_grad():
        for answer in (network(image, fundus), network(image=image), network(fundus=fundus)):
            assert answer.shape == (2, 1)
            assert torch.isfinite(answer).all()


@pytest.mark.parametrize("name", OVERLAYS)
def test_model_file_rebuilds_it(name):
    """`spec` holds plain values only, so that a saved model needs no config."""
    network = parser(name, **SMALL).get_parsed_content("network_def")
    clone = build(yaml.safe_load(yaml.safe_dump(network.spec())))
    clone.load_state_dict(network.state_dict())


@pytest.mark.parametrize("name", CLASSES)
def test_encoders_are_the_named_ones_at_clinical_sizes(name):
    found = parser(name)
    assert found["network_def#oct_encoder#_target_"] == f"bundle.networks.{CLASSES[name]}"
    assert found["network_def#fundus_encoder#_target_"] == f"bundle.networks.{CLASSES[name]}"
    assert found["fundus_size"] == 224
    assert min(found["oct_grid"]) >= 64
    assert found["amp"] is True
    assert found["batch_size"] <= 8


def test_small_is_the_default_network_with_narrower_encoders():
    files = (ROOT / "configs" / "inference.yaml", OVERLAYS["small"])
    default, small = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in files)
    for name in ("oct_encoder", "fundus_encoder"):
        assert small[f"network_def#{name}"] == default["network_def"][name] | {"channels": [16, 32, 64]}


@pytest.mark.parametrize("name", OVERLAYS)
def test_head_says_what_was_measured(name):
    text = OVERLAYS[name].read_text(encoding="utf-8")
    n_millions = float(text.partition("batch 2: ")[2].partition(" M parameters")[0])
    network = parser(name).get_parsed_content("network_def")
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(n_millions, abs=0.06)
    assert "GiB" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", OVERLAYS)
def test_one_training_step_at_full_size_moves_both_encoders(name):
    found = parser(name)
    network = TrainingNetwork(found.get_parsed_content("network_def"))
    image, fundus = inputs(found)
    with torch.autocast("cpu", torch.bfloat16, enabled=found.config.get("amp", False)):
        output = network(image, fundus)
    sum(output[key].float().square().mean() for key in ("pred", "pred_oct", "pred_fundus")).backward()
    for encoder in (network.regressor.oct_encoder, network.regressor.fundus_encoder):
        gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
        assert gradients
        assert all(torch.isfinite(g).all() for g in gradients)
        assert any(g.abs().max() > 0 for g in gradients)
