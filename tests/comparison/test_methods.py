"""Every overlay of configs/methods is a method: it has a head, and only keys that train.yaml has."""

from __future__ import annotations

import pytest
import yaml
from monai.bundle import ConfigParser

from bundle.comparison.methods import TRAIN_CONFIG, check_methods, headline, known_methods
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
    for key in overlay:
        if key not in used:
            value(train, key)  # KeyError otherwise


@pytest.mark.parametrize("name", METHODS)
def test_head_says_what_it_is_and_what_it_costs(name):
    text = METHODS[name].read_text(encoding="utf-8")
    assert len(headline(METHODS[name])) > 10
    assert "L = " in text
    assert "forward" in text
    assert "backward" in text


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


def test_unknown_method_is_refused_with_the_known_ones():
    words = r"conact\.yaml; did you mean 'concat'.*known methods: .*concat, .*fundus_only"
    with pytest.raises(InputError, match=words):
        check_methods(["oct_only", "conact"])


@pytest.mark.parametrize(("names", "message"), [([], "found none"), (["concat", "concat"], "twice")])
def test_no_method_or_one_given_twice_is_refused(names, message):
    with pytest.raises(InputError, match=message):
        check_methods(names)
