"""The ablations of Re-M3Dr: each changes the keys that it names, and its step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from bundle.comparison.methods.catalogue import TRAIN_CONFIG, card_of, known_methods, method_files
from tests.integration.test_method_overlays import moves, one_epoch, parser_of, process_as_it_was, relative_difference
from tests.toy import write_cohort

__all__ = ["process_as_it_was"]

WHOLE = "re_m3dr"
ABLATIONS = {
    "re_m3dr_no_contrast": {"contrast_weight": 0.0},
    "re_m3dr_no_margin": {"contrastive_loss#margin": 0.0},
    "re_m3dr_no_rarity": {"contrastive_loss#rarity_power": 0.0, "ascent_rarity_power": 0.0},
    "re_m3dr_no_sharpness": {"rho": 0.0, "sharpness_power": 0.0},
    "re_m3dr_no_modulation": {"error_power": 0.0, "sharpness_power": 0.0},
    "re_m3dr_no_conflict_removal": {"conflict_strength": 0.0},
    "re_m3dr_equal_budgets": {"equalize": 1.0},
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 12)


def merged(name: str) -> dict[str, Any]:
    """Every value of a method's config by its key, `about` left out."""
    parser = ConfigParser()
    parser.read_config([str(TRAIN_CONFIG), *map(str, method_files(name))])
    found: dict[str, Any] = {}

    def add(key: str, node: Any) -> None:
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for child, value in children:
            add(f"{key}#{child}" if key else str(child), value)
        if not isinstance(node, dict | list):
            found[key] = node

    add("", {key: value for key, value in parser.config.items() if key != "about"})
    return found


@pytest.fixture(scope="module")
def whole(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return moves(WHOLE, cohort, tmp_path_factory.mktemp(WHOLE))


def test_every_overlay_that_extends_the_method_is_checked() -> None:
    assert {name for name in known_methods() if card_of(name).extends == WHOLE} == set(ABLATIONS)


@pytest.mark.parametrize("name", ABLATIONS)
def test_only_the_named_keys_differ(name: str) -> None:
    with_all, without = merged(WHOLE), merged(name)
    assert with_all.keys() == without.keys()
    assert {key: without[key] for key in with_all if without[key] != with_all[key]} == ABLATIONS[name]
    assert set(yaml.safe_load(known_methods()[name].read_text(encoding="utf-8"))) == {"about", *ABLATIONS[name]}


@pytest.mark.parametrize("name", ABLATIONS)
def test_the_step_differs_from_that_of_the_whole_method(
    name: str, whole: dict[str, torch.Tensor], cohort: Path, tmp_path: Path
) -> None:
    assert relative_difference(moves(name, cohort, tmp_path), whole) > 1e-5


def test_without_the_ascent_a_step_costs_half(cohort: Path, tmp_path: Path) -> None:
    passes = [
        one_epoch(parser_of(name, cohort, tmp_path))[0].state.output["scalars"]["gradient_passes"]
        for name in (WHOLE, "re_m3dr_no_sharpness")
    ]
    assert passes == [2.0, 1.0]
