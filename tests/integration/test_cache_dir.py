"""The key `cache_dir` of the configs: prepared eyes are taken from it, and nothing else is another for it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser

from tests.toy import toy_network, toy_trainer, weights, write_cohort

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"oct_grid": [4, 16, 8], "fundus_size": 16, "batch_size": 4}


def config(file: str, manifest: Path, out: Path, **keys: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / file)
    keys = {"bundle_root": str(ROOT), "manifest": str(manifest), "output_dir": str(out), **SMALL, **keys}
    for key, value in keys.items():
        parser[key] = value
    return parser


def trained(parser: ConfigParser) -> dict[str, torch.Tensor]:
    """Weights after two epochs of the config's own training set, random changes and all."""
    torch.manual_seed(0)
    network = toy_network()
    toy_trainer(network, parser.get_parsed_content("train#dataloader"), max_epochs=2).run()
    return weights(network)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 18, patient="CANARY", missing={1: "oct", 13: "fundus"})


def test_training_with_a_cold_and_a_warm_cache_gives_the_weights_of_one_without(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = trained(config("train.yaml", manifest, tmp_path))
    cache = tmp_path / "cache"
    cold = trained(config("train.yaml", manifest, tmp_path, cache_dir=str(cache)))
    assert len(list(cache.glob("??/*.eye"))) == 12
    monkeypatch.setattr("bundle.data.readers.read_oct", lambda *_, **__: pytest.fail("read once more"))
    warm = trained(config("train.yaml", manifest, tmp_path, cache_dir=str(cache)))
    for name, value in without.items():
        assert torch.equal(value, cold[name])
        assert torch.equal(value, warm[name])


@pytest.mark.parametrize(
    ("file", "datasets"),
    [("train.yaml", ["train#dataset", "validate#dataset", "test#dataset"]), ("inference.yaml", ["dataset"])],
)
def test_every_data_set_of_the_configs_uses_it(manifest: Path, tmp_path: Path, file: str, datasets: list[str]) -> None:
    parser = config(file, manifest, tmp_path, cache_dir=str(tmp_path / "cache"))
    n_eyes = 0
    for name in datasets:
        dataset = parser.get_parsed_content(name)
        assert all(dataset[index] for index in range(len(dataset)))
        n_eyes += len(dataset)
        assert len(list((tmp_path / "cache").glob("??/*.eye"))) == n_eyes
    assert n_eyes == 18
