"""A study refuses what cannot work before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.errors import InputError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 1e-3}, "unknown key 'learning_rate'"),
        ({"max_epoch": 3}, "did you mean 'max_epochs'"),
        ({"max_epochs": 3}, "use --epochs"),
        ({"seed": 1}, "use --seeds"),
        ({"output_dir": "x"}, "use --out"),
    ],
)
def test_setting_that_is_unknown_or_the_studys_own_is_refused(study, settings, message):
    with pytest.raises(InputError, match=message):
        study(settings=settings)


@pytest.mark.parametrize("settings", [{"lr": 1e-3}, {"train#trainer#max_grad_norm": 1.0}])
def test_other_settings_pass(study, settings):
    assert study(settings=settings).settings == settings


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"reference": "re_m3dr"}, "--reference: found 're_m3dr', expected one of --methods: oct_only, concat"),
        ({"folds": 1}, "--folds: found 1, expected 2 or more"),
        ({"epochs": 0}, "--epochs: found 0"),
        ({"seeds": ()}, "--seeds: found 0"),
        ({"overlays": (Path("no.yaml"),)}, "no file no.yaml"),
    ],
)
def test_what_is_out_of_range_is_refused(study, field, message):
    with pytest.raises(InputError, match=message):
        study(**field)


def test_setting_comes_from_the_training_config_unless_it_is_set(study):
    assert study().setting("split_fractions") == [0.6, 0.15, 0.25]
    assert study(settings={"split_fractions": [0.5, 0.2, 0.3]}).setting("split_fractions") == [0.5, 0.2, 0.3]
