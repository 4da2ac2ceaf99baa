"""The examples in the docstrings of bundle.losses run."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["density", "prototype_memory", "prototypes", "queue", "regression"])
def test_examples_run(module):
    # The docstrings use `torch`, which every one of these modules imports.
    result = doctest.testmod(importlib.import_module(f"bundle.losses.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
