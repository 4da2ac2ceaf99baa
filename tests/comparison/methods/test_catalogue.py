"""Every overlay of configs/methods is a method: it has a head, and only keys that train.yaml has."""

from __future__ import annotations

import ast

import pytest
import yaml
from monai.bundle import ConfigParser

from bundle.comparison.methods.cards import UNKNOWN, headline
from bundle.comparison.methods.catalogue import ROOT, TRAIN_CONFIG, card_of, check_methods, known_methods, method_files
from bundle.comparison.methods.overlays import ABSENT, effective_value, read_values
from bundle.config import REFERENCE
from bundle.errors import InputError

METHODS = known_methods()


def value(config: dict, key: str) -> object:
    for part in key.split("#"):
        config = config[part]
    return config


@pytest.mark.parametrize("name", METHODS)
def test_overlay_sets_only_keys_that_the_training_config_has_or_that_it_uses_itself(name):
    train = yaml.safe_load(TRAIN_CONFIG.read_text(encoding="utf-8"))
    overlay = yaml.safe_load(METHODS[name].read_text(encoding="utf-8"))
    used = set(REFERENCE.findall(str(list(overlay.values()))))
    inherited = {key for path in method_files(name)[:-1] for key in read_values(path)}
    for key in overlay:
        if key not in used and key.partition("#")[0] not in inherited:
            value(train, key)  # KeyError otherwise


@pytest.mark.parametrize("name", METHODS)
def test_head_says_what_it_is_and_what_it_costs(name):
    text = METHODS[name].read_text(encoding="utf-8")
    assert len(headline(METHODS[name])) > 10
    assert "L = " in text or "argmin" in text
    assert "forward" in text
    assert "backward" in text


def functions_of(path):
    """Names of a test file's functions, `Class::name` for methods."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_its_paper_its_cost_and_an_oracle_test_that_exists(name):
    card = card_of(name)
    assert UNKNOWN not in (card.paper, card.oracle, card.cost)
    path, _, function = card.oracle.partition("::")
    assert function in functions_of(ROOT / path)


@pytest.mark.parametrize("name", [name for name in METHODS if card_of(name).knob])
def test_knob_is_a_key_of_the_method_and_its_default_is_among_the_values(name):
    knob = card_of(name).knob
    default = effective_value([read_values(path) for path in (TRAIN_CONFIG, *method_files(name))], knob.key)
    assert default is not ABSENT
    assert default in knob.values
    assert len(knob.values) > 1


@pytest.mark.parametrize("name", ["concat", "multi_loss", "oct_only", "fundus_only"])
def test_plain_methods_switch_everything_else_off(name):
    parser = ConfigParser()
    parser.read_config([str(TRAIN_CONFIG), str(METHODS[name])])
    off = ("contrast_weight", "rho", "conflict_strength", "error_power", "sharpness_power", "descent_rarity_power")
    assert [parser[key] for key in off] == [0.0] * 6
    assert parser["unimodal_weight"] == (0.5 if name == "multi_loss" else 0.0)


def test_re_m3dr_stays_itself_when_the_recommended_defaults_change():
    """Every number of the method's part of train.yaml is spelled out."""
    text = TRAIN_CONFIG.read_text(encoding="utf-8")
    part = yaml.safe_load(text.partition("# ---- method")[2].partition("# ---- cohort")[0].partition("\n")[2])
    spelled = yaml.safe_load(METHODS["re_m3dr"].read_text(encoding="utf-8"))
    assert set(part) <= set(spelled)
    loss = yaml.safe_load(text)["contrastive_loss"]
    unused_with_soft_targets = {"_target_", "density", "hard_window_db"}
    assert {f"contrastive_loss#{key}" for key in set(loss) - unused_with_soft_targets} <= set(spelled)


def test_one_encoder_is_left_and_no_fusion():
    parser = ConfigParser()
    parser.read_config([str(TRAIN_CONFIG), str(METHODS["oct_only"])])
    assert parser["network_def#fundus_encoder"] is None
    assert parser["network_def#fusion"] is None
    assert parser["network_def#oct_encoder"] is not None


def test_unknown_method_is_refused_with_the_nearest_or_all_known_ones():
    with pytest.raises(InputError, match=r"conact\.yaml; did you mean 'concat'"):
        check_methods(["oct_only", "conact"])
    with pytest.raises(InputError, match=r"known methods: .*concat, .*fundus_only"):
        check_methods(["oct_only", "zzz"])


@pytest.mark.parametrize(("names", "message"), [([], "found none"), (["concat", "concat"], "twice")])
def test_no_method_or_one_given_twice_is_refused(names, message):
    with pytest.raises(InputError, match=message):
        check_methods(names)
