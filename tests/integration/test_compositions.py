"""Overlays that put two published parts together: each part is there as its own overlay has it, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bundle.comparison.methods.catalogue import known_methods
from bundle.comparison.methods.overlays import read_values

OVERLAYS = known_methods()
COMPOSITIONS = {
    "adacon_cggm": ("adacon", "cggm"), "adacon_sam": ("adacon", "sam"), "bsam_mlb": ("bsam", "mlb"),
    "lds_ogm": ("lds", "ogm"), "lds_ranksim": ("lds", "ranksim"), "lds_sam": ("lds", "sam"),
    "rnc_mmpareto": ("rnc", "mmpareto"),
}  # fmt: skip


def on(name: str) -> dict[str, Any]:
    """What a method has switched on: its keys where they differ from plain fusion's."""
    plain = read_values(OVERLAYS["concat"])
    return {key: value for key, value in read_values(OVERLAYS[name]).items() if key not in plain or plain[key] != value}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_a_composition_is_made_of_its_parts_as_they_are(name: str) -> None:
    found, parts = on(name), [on(part) for part in COMPOSITIONS[name]]
    expected = {key: value for part in parts for key, value in part.items()}
    if name == "lds_sam":  # the same weights in both passes, in place of none in the ascent
        assert expected.pop("ascent_rarity_power") == 0
        expected["train#trainer#ascent_weight"] = "@sample_weight"
    assert found == expected


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_its_parts_agree_wherever_both_say_something(name: str) -> None:
    first, second = (on(part) for part in COMPOSITIONS[name])
    assert {key for key in first.keys() & second.keys() if first[key] != second[key]} == set()


def test_every_overlay_whose_name_joins_two_methods_is_checked() -> None:
    names = "|".join(map(re.escape, OVERLAYS))
    joined = {name for name in OVERLAYS if re.fullmatch(rf"({names})_({names})", name)}
    assert joined == set(COMPOSITIONS)
