"""Values in overlays, and contradictions between two of them."""

from __future__ import annotations

import pytest

from bundle.comparison.methods.overlays import ABSENT, clashing_key, effective_value, find_value, read_values


@pytest.mark.parametrize(
    ("key", "found"),
    [("a", 1), ("b#c", {"d": 2}), ("b#c#d", 2), ("b#c#e", ABSENT), ("b", ABSENT), ("a#x", ABSENT), ("none", None)],
)
def test_key_is_found_as_written_and_inside_a_block(key, found):
    assert find_value({"a": 1, "b#c": {"d": 2}, "none": None}, key) == found


def test_last_file_that_says_something_counts():
    files = [{"lr": 1, "m": {"alpha": 0.1}}, {"m#alpha": 0.5}, {"x": 0}]
    assert effective_value(files, "m#alpha") == 0.5
    assert effective_value(files, "lr") == 1
    assert effective_value(files, "y") is ABSENT


def test_about_and_the_old_separator_are_not_values(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("about: {cost: 1F 1B}\na::b: 3\n")
    assert read_values(path) == {"a#b": 3}


@pytest.mark.parametrize(
    ("earlier", "later", "key"),
    [
        ({"lr": 1}, {"lr": 2}, "lr"),
        ({"lr": 1}, {"lr": 1}, None),
        ({"lr": 1}, {"rho": 1}, None),
        ({"net#a": {"width": 3}}, {"net#a#width": 4}, "net#a#width"),
        ({"net#a#width": 4}, {"net#a": {"width": 3}}, "net#a#width"),
        ({"net#a#width": 3}, {"net#a": {"width": 3}}, None),
        ({"net#a#width": 3}, {"net#a": {"depth": 3}}, "net#a#width"),
        ({"net#a#width": 3}, {"net#a": None}, None),
        ({"net#a": {"width": 3}}, {"net#a": None}, None),
        ({"net#a": None}, {"net#a": {"width": 3}}, "net#a"),
        ({"net#ab": 1}, {"net#a": 2}, None),
    ],
)
def test_clash_is_one_key_with_two_values_unless_the_later_takes_the_part_away(earlier, later, key):
    assert clashing_key(earlier, later) == key
