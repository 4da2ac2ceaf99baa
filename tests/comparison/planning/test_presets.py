"""Presets are options that exist, with methods that exist."""

from __future__ import annotations

import pytest

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR, known_methods
from bundle.comparison.planning.options import apply_preset, parser
from bundle.comparison.planning.presets import presets, read_preset


@pytest.mark.parametrize("name", presets())
def test_every_entry_is_an_option_and_every_file_exists(name):
    options = vars(parser(None).parse_args([]))
    given = read_preset(name)
    assert set(given) <= set(options)
    assert all(options[key] in (None, []) for key in given)  # one with a default would never be filled
    assert all(path.is_file() for path in given.get("overlay", []))


@pytest.mark.parametrize("name", presets())
def test_methods_of_a_preset_are_known_and_named_once(name):
    methods = read_preset(name).get("methods", [])
    assert set(methods) <= {*known_methods(), MEAN_PREDICTOR}
    assert len(set(methods)) == len(methods)


def filled(*arguments):
    options = parser(None).parse_args(list(arguments))
    apply_preset(options)
    return options


def test_command_line_wins_over_the_preset():
    options = filled("--preset", "main", "--epochs", "5", "--set", "patience=9", "--methods", "concat")
    assert (options.epochs, options.methods, options.trials) == ([5], ["concat"], 3)
    assert options.settings == ["patience=0", "patience=9"]


def test_own_eyes_replace_the_presets_cohort():
    options = filled("--preset", "main", "--manifest", "x.csv")
    assert (options.phantom, options.patients, options.test_eyes, options.train_size) == (None, None, None, None)
    assert options.seeds == 3
