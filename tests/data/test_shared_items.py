"""Shared eyes: prepared once, and never taken for others."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from bundle.data import shared_items
from bundle.data.dataset import EyeDataset
from bundle.data.shared_items import fingerprint, share_items_of
from bundle.transforms import RandSpeckled, ResampleToGridd, StandardizeOctIntensityd


class Prepare:
    """Makes an eye from its file; counts on the class, so that its own attributes are its configuration."""

    calls = 0

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        Prepare.calls += 1
        with open(item["image"], "rb") as file:
            return {**item, "image": torch.full((1, 4, 4, 4), self.gain * len(file.read()))}


@pytest.fixture(autouse=True)
def fresh() -> None:
    share_items_of("a test")
    share_items_of("another")
    Prepare.calls = 0


@pytest.fixture
def raw(tmp_path: Any) -> list[dict[str, Any]]:
    items = []
    for row in (2, 3, 4):
        path = tmp_path / f"{row}.npz"
        path.write_bytes(b"x" * row)
        items.append({"image": str(path), "label": -1.0 * row, "eye": "OD", "row": row})
    return items


def test_second_data_set_prepares_nothing_and_has_the_same_items(raw: list[dict[str, Any]]) -> None:
    first, second = (EyeDataset(raw, Prepare(2.0), shared=True) for _ in range(2))
    assert Prepare.calls == 3
    assert all(torch.equal(first[i]["image"], second[i]["image"]) for i in range(3))
    EyeDataset(raw, Prepare(2.0))
    assert Prepare.calls == 6  # not shared unless asked for


@pytest.mark.parametrize("change", ["file", "label", "transform"])
def test_anything_that_differs_is_prepared_anew(raw: list[dict[str, Any]], change: str) -> None:
    EyeDataset(raw, Prepare(), shared=True)
    if change == "file":
        with open(raw[0]["image"], "wb") as file:
            file.write(b"x" * 2)  # as long as before
        os.utime(raw[0]["image"], ns=(1, 1))
    if change == "label":
        raw[0]["label"] = 7.0
    EyeDataset(raw, Prepare(3.0 if change == "transform" else 1.0), shared=True)
    assert Prepare.calls == (6 if change == "transform" else 4)


def test_another_owner_drops_what_there_was(raw: list[dict[str, Any]]) -> None:
    share_items_of("study a")
    EyeDataset(raw, Prepare(), shared=True)
    share_items_of("study a")
    EyeDataset(raw, Prepare(), shared=True)
    assert Prepare.calls == 3
    share_items_of("study b")
    EyeDataset(raw, Prepare(), shared=True)
    assert Prepare.calls == 6


def test_random_part_leaves_the_shared_items_alone(raw: list[dict[str, Any]]) -> None:
    plain = EyeDataset(raw, Prepare(), shared=True)
    before = [plain[i]["image"].clone() for i in range(3)]
    noisy = EyeDataset(raw, Prepare(), random=[RandSpeckled("image", prob=1.0)], shared=True)
    assert not torch.equal(noisy[0]["image"], before[0])
    assert all(torch.equal(plain[i]["image"], before[i]) for i in range(3))


def test_fingerprint_is_that_of_the_configuration() -> None:
    def make(low: float = 1.0) -> list[Any]:
        grid = ResampleToGridd("image", grid=[4, 8, 8], extent_mm=[6.0, 2.0, 6.0])
        return [grid, StandardizeOctIntensityd("image", low_percent=low)]

    assert fingerprint(make()) == fingerprint(make())
    assert fingerprint(make()) != fingerprint(make(low=2.0))
    assert fingerprint(make()) != fingerprint(make()[::-1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(3), np.ones(3)), (torch.zeros(3), torch.zeros(4)), (partial(max, 1), partial(max, 2)), (1, 1.0),
        ([1, 2], (1, 2)), ({"a": 1}, {"a": 2}), (max, min),
    ],
)  # fmt: skip
def test_fingerprint_sees_every_kind_of_attribute(one: Any, other: Any) -> None:
    assert fingerprint([one]) == fingerprint([one])
    assert fingerprint([one]) != fingerprint([other])


def test_what_cannot_be_compared_is_like_nothing_else() -> None:
    lambdas: list[Callable[[Any], Any]] = [lambda item: item]
    assert fingerprint(lambdas) != fingerprint(lambdas)


def changed(raw: list[dict[str, Any]], amplitude: float = 0.3, seed: int = 0, shared: bool = True) -> EyeDataset:
    return EyeDataset(raw, Prepare(2.0), RandSpeckled("image", prob=1.0, amplitude=amplitude), seed=seed, shared=shared)


def test_randomly_changed_eyes_are_shared_and_are_those_of_a_data_set_of_its_own(
    raw: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = changed(raw)
    seen = {(epoch, i): first[epoch, i]["image"] for epoch in (1, 2) for i in range(3)}
    alone = changed(raw, shared=False)
    assert all(torch.equal(alone[key]["image"], image) for key, image in seen.items())
    second = changed(raw)
    monkeypatch.setattr(RandSpeckled, "augment", lambda self, x: pytest.fail("changed once more"))
    assert all(torch.equal(second[key]["image"], image) for key, image in seen.items())


@pytest.mark.parametrize("change", [{"seed": 1}, {"amplitude": 0.5}])
def test_another_seed_or_random_transform_has_eyes_of_its_own(
    raw: list[dict[str, Any]], change: dict[str, Any]
) -> None:
    before = changed(raw)[1, 0]["image"]
    after = changed(raw, **change)[1, 0]["image"]
    assert torch.equal(after, changed(raw, shared=False, **change)[1, 0]["image"])
    assert not torch.equal(after, before)


def test_without_room_every_eye_is_made_anew(raw: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_items, "MOST_BYTES", 300)  # one eye of 256 bytes
    first = changed(raw)
    seen = [first[1, i]["image"] for i in range(3)]
    calls = []
    augment = RandSpeckled.augment
    monkeypatch.setattr(RandSpeckled, "augment", lambda self, x: calls.append(1) or augment(self, x))
    second = changed(raw)
    assert all(torch.equal(second[1, i]["image"], seen[i]) for i in range(3))
    assert len(calls) == 2
