"""A card holds what an overlay says of itself, and bears with one that says nothing."""

from __future__ import annotations

import pytest

from bundle.comparison.methods.cards import Knob, read_card
from bundle.comparison.methods.catalogue import card_of, method_files
from bundle.errors import InputError

FULL = """# Title of it: Authors, venue 2020. An overlay of train.yaml.
about:
  paper: Authors, venue 2020
  oracle: tests/x.py::test_y
  cost: 1F 3B
  knob: {key: modulator#alpha, values: [0.1, 0.3]}
  complete_eyes_only: true
rho: 0.0
"""


def test_card_has_what_the_overlay_says(tmp_path):
    path = tmp_path / "new.yaml"
    path.write_text(FULL)
    card = read_card(path)
    assert (card.name, card.headline) == ("new", "Title of it: Authors, venue 2020")
    assert (card.paper, card.oracle, card.cost) == ("Authors, venue 2020", "tests/x.py::test_y", "1F 3B")
    assert card.knob == Knob("modulator#alpha", (0.1, 0.3))
    assert (card.complete_eyes_only, card.extends, card.backward_passes) == (True, None, 3)


def test_overlay_that_says_nothing_has_dashes(tmp_path):
    path = tmp_path / "new.yaml"
    path.write_text("rho: 0.0\n")
    card = read_card(path)
    assert (card.paper, card.oracle, card.cost, card.knob) == ("-", "-", "-", None)
    assert (card.headline, card.backward_passes) == ("", 1)


@pytest.mark.parametrize(
    ("about", "message"),
    [("{papr: x}", "found 'papr'"), ("{knob: 3}", "found 3"), ("{knob: {key: rho, values: 1}}", "expected {key")],
)
def test_mistake_in_the_block_is_named(tmp_path, about, message):
    path = tmp_path / "new.yaml"
    path.write_text(f"about: {about}\n")
    with pytest.raises(InputError, match=f"about: .*{message}"):
        read_card(path)


def test_extension_comes_after_what_it_extends(methods_folder):
    for name, parent in (("a", None), ("b", "a"), ("c", "b")):
        (methods_folder / f"{name}.yaml").write_text(f"about: {{extends: {parent or 'null'}}}\n")
    assert [path.stem for path in method_files("c")] == ["a", "b", "c"]


@pytest.mark.parametrize("parent", ["nothing", "a"])
def test_extending_nothing_or_itself_is_refused(methods_folder, parent):
    (methods_folder / "a.yaml").write_text(f"about: {{extends: {parent}}}\n")
    with pytest.raises(InputError, match=f"extends: found '{parent}'"):
        method_files("a")


def test_mean_predictor_has_a_card_without_an_overlay(methods_folder):
    assert card_of("mean").name == "mean"
