"""The examples in the docstrings of bundle.modulation run."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["cggm", "ema", "likelihood", "mlb", "modulator", "ogm", "scores", "second_pass"])
def test_examples_run(module):
    result = doctest.testmod(importlib.import_module(f"bundle.modulation.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
