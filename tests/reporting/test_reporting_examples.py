import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["coverage", "csv_cells", "tracking_server"])
def test_examples_in_the_docstrings_run(name) -> None:
    found = doctest.testmod(importlib.import_module(f"bundle.reporting.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
