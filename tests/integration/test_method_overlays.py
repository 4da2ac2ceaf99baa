"""Every overlay of configs/methods builds its trainer from train.yaml, and the trainer makes a step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from bundle.comparison.methods.cards import headline
from bundle.comparison.methods.catalogue import TRAIN_CONFIG, known_methods, method_files
from bundle.losses import RankSimilarityLoss
from bundle.modulation import SAMAscent
from tests.toy import write_cohort

OVERLAYS = known_methods()
SMALL = {
    "oct_grid": [8, 24, 16],
    "fundus_size": 32,
    "batch_size": 8,
    "max_epochs": 1,
    "rho_warmup_epochs": 0,
    "contrast_warmup_epochs": 0,
    "projection_dim": 8,
    "network_def#oct_encoder#channels": [4, 8],
    "network_def#fundus_encoder#channels": [4, 8],
    "train#random_transforms": [],
    "train#dataset#cache": False,
    "use_mlflow": False,
    "seed": 3,
}
RIVALS = {
    "supcon_bins", "adacon", "rnc", "ranksim", "conr", "gar", "inverse_weight", "sqrt_inverse_weight", "lds", "gai",
    "adacon_sam", "bsam", "lds_sam", "lds_ranksim",
}  # fmt: skip
TWO_PASSES = {"adacon_sam", "bsam", "lds_sam"}
MOVES_FIRST = {"mean": set(), "reconboost": {"oct"}}  # of the others every encoder
LATE = {"agm", "diagnose_relearn", "fds", "msam", "pmr"}  # their first step is plain fusion's: nothing to go by yet
SOONER = {"diagnose_relearn": {"relearning#every": 1}}  # what a method does after many epochs, after the first one


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 12)


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    path, hook = list(sys.path), sys.excepthook
    with torch.random.fork_rng():
        yield
    sys.path[:], sys.excepthook = path, hook
    torch.use_deterministic_algorithms(False)


def parser_of(name: str, manifest: Path, folder: Path, **keys: Any) -> ConfigParser:
    """The training config with an overlay, small; the handlers that write or evaluate are left out."""
    found = ConfigParser()
    found.read_config([str(TRAIN_CONFIG), *map(str, method_files(name))])
    used = {"bundle.handlers.ContrastiveHandler", "bundle.handlers.RebalancingHandler"}
    handlers = [h for h in found["train#handlers"] if h["_target_"] in used or h.get("handlers") == "@method_handlers"]
    encoders = ("network_def#oct_encoder", "network_def#fundus_encoder")
    fixed = tuple(key for key in encoders if "channels" not in (found[key] or {}))
    small = {key: value for key, value in SMALL.items() if not key.startswith(fixed)}
    found.update({
        **small, "manifest": str(manifest), "output_dir": str(folder), "bundle_root": str(folder),
        "device": "$torch.device('cpu')", "train#handlers": handlers, **keys,
    })  # fmt: skip
    return found


def one_epoch(found: ConfigParser) -> tuple[Any, dict[str, torch.Tensor]]:
    """The trainer after its only batch of 8 eyes (or so many epochs of it), and the weights before it."""
    torch.manual_seed(0)
    trainer = found.get_parsed_content("train#trainer")
    before = {k: v.detach().clone() for k, v in trainer.network.state_dict().items()}
    trainer.run()
    return trainer, before


def test_the_rivals_are_there() -> None:
    assert set(OVERLAYS) >= RIVALS


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_changes_keys_that_exist_and_says_what_it_costs(name: str) -> None:
    text = OVERLAYS[name].read_text(encoding="utf-8")
    overlay, known = yaml.safe_load(text), yaml.safe_load(TRAIN_CONFIG.read_text(encoding="utf-8"))
    assert headline(OVERLAYS[name])
    assert "Cost of a step" in text
    files = ",".join(
        f"'configs/{path.relative_to(TRAIN_CONFIG.parent)}'" for path in (TRAIN_CONFIG, *method_files(name))
    )
    assert f'--config_file "[{files}]"' in text
    for key in overlay:
        top, *path = key.split("#")
        node: Any = known.get(top)
        if top not in known:
            assert f"@{top}" in text, key
        for step in path:
            assert isinstance(node, dict), key
            assert step in node, key
            node = node[step]


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_makes_a_finite_step_that_moves_the_encoders(name: str, cohort: Path, tmp_path: Path) -> None:
    trainer, before = one_epoch(parser_of(name, cohort, tmp_path))
    output = trainer.state.output
    assert not output["skipped"]
    assert torch.isfinite(output["loss"])
    assert (output["scalars"]["rho"] > 0) == (name in TWO_PASSES) or name not in RIVALS
    after = trainer.network.state_dict()
    for modality in trainer.training_network.modalities:
        encoder = [k for k in before if f"{modality}_encoder" in k]
        if modality not in MOVES_FIRST.get(name, {modality}):
            continue
        assert max(float((after[k] - before[k]).abs().max()) for k in encoder) > 0, modality


@pytest.mark.parametrize("name", sorted(RIVALS))
def test_a_rival_uses_nothing_else_of_the_method(name: str, cohort: Path, tmp_path: Path) -> None:
    """No modulation, no conflict removal, no modality budgets, no density-dependent contrast."""
    found = parser_of(name, cohort, tmp_path)
    assert (found["error_power"], found["sharpness_power"], found["conflict_strength"]) == (0, 0, 0)
    assert found["unimodal_weight"] == 0
    if name in TWO_PASSES:
        assert isinstance(found.get_parsed_content("ascent"), SAMAscent)
    else:
        assert found["rho"] == 0


@pytest.fixture(scope="module")
def plain(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, torch.Tensor]]:
    """Moves of plain fusion after one step and after two."""
    return {steps: moves("concat", cohort, tmp_path_factory.mktemp("concat"), steps) for steps in (1, 2)}


def moves(name: str, manifest: Path, folder: Path, steps: int = 1) -> dict[str, torch.Tensor]:
    """What steps of plain gradient descent change in the encoders; one of AdamW is little more than signs."""
    keys = {"optimizer#_target_": "torch.optim.SGD", "lr": 0.1, "optimizer#weight_decay": 0.0, "max_epochs": steps}
    trainer, before = one_epoch(parser_of(name, manifest, folder, **keys, **SOONER.get(name, {})))
    assert not trainer.state.output["skipped"]
    after = trainer.network.state_dict()
    return {key: after[key] - before[key] for key in before if "_encoder" in key}


@pytest.mark.parametrize("name", [name for name in OVERLAYS if name not in ("concat", "mean")])
def test_a_rival_is_not_plain_fusion_in_disguise(
    name: str, plain: dict[int, dict[str, torch.Tensor]], cohort: Path, tmp_path: Path
) -> None:
    """From equal weights and eyes its step leads elsewhere: the overlay's keys reach the trainer."""
    steps = 2 if name in LATE else 1
    found = moves(name, cohort, tmp_path, steps)
    assert found.keys() <= plain[steps].keys()
    assert relative_difference(found, {key: plain[steps][key] for key in found}) > 1e-5


def relative_difference(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """|found - expected| / |expected| over all tensors together."""
    difference = torch.cat([(found[key] - expected[key]).flatten() for key in expected])
    return float(difference.norm() / torch.cat([x.flatten() for x in expected.values()]).norm())


def test_lds_weights_have_mean_one_over_the_training_eyes(cohort: Path, tmp_path: Path) -> None:
    found = parser_of("lds", cohort, tmp_path)
    weight = found.get_parsed_content("train#trainer").descent_weight
    md_db = torch.from_numpy(found.get_parsed_content("cohort").md_db("train"))
    assert weight(md_db).mean().item() == pytest.approx(1.0)


def test_bsam_has_the_same_weights_in_both_passes(cohort: Path, tmp_path: Path) -> None:
    trainer = parser_of("bsam", cohort, tmp_path).get_parsed_content("train#trainer")
    md_db = torch.linspace(-20, 0, 9)
    assert torch.equal(trainer.ascent_weight(md_db), trainer.descent_weight(md_db))
    assert trainer.ascent_weight(md_db).std() > 0


def test_ranksim_reaches_the_handler(cohort: Path, tmp_path: Path) -> None:
    found = parser_of("ranksim", cohort, tmp_path)
    handler = found.get_parsed_content("train#handlers")[0]
    assert isinstance(handler.loss, RankSimilarityLoss)
    assert (handler.weight, handler.queue_size) == (300.0, 0)
