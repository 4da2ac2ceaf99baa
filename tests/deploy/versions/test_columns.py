"""Pins take the place of ranges, and every column can be named."""

import re

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bundle.deploy.versions.columns import COLUMNS, REQUIREMENTS, ROOT, TOOLS, chosen, requirements
from bundle.errors import InputError


def test_pins_replace_ranges_and_linters_are_left_out() -> None:
    texts = ["# head\ntorch==2.13.0\nmonai>=1.6.1,<1.7   # why\n\npillow>=11,<13\n", "-r a.txt\nruff>=1\nx[y]>=2,<3\n"]
    assert requirements({"monai": "1.6.0"}, texts) == ["torch==2.13.0", "monai==1.6.0", "pillow>=11,<13", "x[y]>=2,<3"]


def test_a_longer_name_is_another_distribution() -> None:
    texts = ["monai>=1\nmonai-label>=1\n"]
    assert requirements({"monai": "1.6.0"}, texts) == ["monai==1.6.0", "monai-label>=1"]


def test_a_pin_that_nothing_requires_is_refused() -> None:
    with pytest.raises(InputError, match="names mlflow"):
        requirements({"mlflow": "3.0.0"}, ["torch==2.13.0\n"])


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_pins_what_the_repository_requires(name: str) -> None:
    lines = requirements(COLUMNS[name])
    assert {f"{package}=={pin}" for package, pin in COLUMNS[name].items()} <= set(lines)
    assert not [line for line in lines if re.split(r"[<>=\[]", line)[0] in TOOLS]
    required = sum(
        bool(line.strip()) and not line.startswith(("#", "-"))
        for file in REQUIREMENTS
        for line in (ROOT / file).read_text().splitlines()
    )
    assert len(lines) == required - len(TOOLS)


def test_the_ranges_of_the_requirements_begin_at_the_oldest_column_and_hold_the_newest() -> None:
    text = (ROOT / "requirements.txt").read_text()
    for package, oldest in COLUMNS["oldest"].items():
        stated = re.search(rf"^{package}([<>=~!][^#\n]*)", text, re.MULTILINE)
        assert stated is not None, package
        bounds = SpecifierSet(stated.group(1).strip())
        lower = [Version(one.version) for one in bounds if one.operator in (">=", "==")]
        assert lower == [Version(oldest)], f"{package}: requirements.txt says {bounds}"
        assert bounds.contains(COLUMNS["newest"][package]), f"{package}: requirements.txt says {bounds}"


def test_columns_are_chosen_by_name() -> None:
    assert list(chosen(None)) == list(COLUMNS)
    assert chosen(["newest"]) == {"newest": COLUMNS["newest"]}
    with pytest.raises(InputError, match="'middle', expected one of oldest, newest"):
        chosen(["middle"])
