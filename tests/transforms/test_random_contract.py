"""What every random transform promises, whatever it does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bundle.transforms import (
    RandBScanDropoutd,
    RandFundusAffined,
    RandFundusBlurd,
    RandFundusColord,
    RandModalityDropoutd,
    RandOctAffined,
    RandOctContrastd,
    RandSignalDropd,
    RandSpeckled,
)
from bundle.transforms.base import RandPresentKeysd

OCT = (RandOctAffined, RandSpeckled, RandOctContrastd, RandSignalDropd, RandBScanDropoutd)
FUNDUS = (RandFundusAffined, RandFundusColord, RandFundusBlurd)


def build(kind: type[RandPresentKeysd], prob: float) -> RandPresentKeysd:
    keys = {RandModalityDropoutd: ["image", "fundus"]}.get(kind, "image" if kind in OCT else "fundus")
    return kind(keys, prob=prob)


def item() -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(0)
    return {
        "image": torch.from_numpy(rng.normal(size=(1, 8, 24, 16)).astype(np.float32)),
        "fundus": torch.from_numpy(rng.normal(size=(3, 32, 32)).astype(np.float32)),
    }


every_kind = pytest.mark.parametrize("kind", [*OCT, *FUNDUS, RandModalityDropoutd], ids=lambda k: k.__name__)


@every_kind
def test_probability_zero_returns_the_same_objects(kind: type[RandPresentKeysd]) -> None:
    given = item()
    got = build(kind, 0.0).set_random_state(0)(given)
    assert all(got[key] is given[key] for key in given)


@every_kind
def test_probability_one_changes_its_own_examination_only(kind: type[RandPresentKeysd]) -> None:
    given = item()
    got = build(kind, 1.0).set_random_state(0)(given)
    changed = {key for key in given if not torch.equal(got[key], given[key])}
    assert len(changed) == 1
    assert kind is RandModalityDropoutd or changed == {"image" if kind in OCT else "fundus"}


@every_kind
def test_input_is_not_written_into(kind: type[RandPresentKeysd]) -> None:
    given, untouched = item(), item()
    transform = build(kind, 1.0)
    for seed in range(10):
        transform.set_random_state(seed)(given)
    assert all(torch.equal(given[key], untouched[key]) for key in given)


@every_kind
def test_same_seed_same_result_and_another_seed_another(kind: type[RandPresentKeysd]) -> None:
    def outcome(seed: int) -> bytes:
        got = build(kind, 1.0).set_random_state(seed)(item())
        return got["image"].numpy().tobytes() + got["fundus"].numpy().tobytes()

    assert outcome(5) == outcome(5)
    assert len({outcome(seed) for seed in range(8)}) > 1


@every_kind
def test_global_generators_are_left_alone(kind: type[RandPresentKeysd]) -> None:
    transform = build(kind, 1.0).set_random_state(0)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    transform(item())
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


@every_kind
def test_result_is_a_plain_contiguous_float32_tensor(kind: type[RandPresentKeysd]) -> None:
    for value in build(kind, 1.0).set_random_state(0)(item()).values():
        assert type(value) is torch.Tensor
        assert value.dtype == torch.float32
        assert value.is_contiguous()


@every_kind
def test_examination_not_taken_is_passed_by(kind: type[RandPresentKeysd]) -> None:
    given = {"image": torch.full((1, 8, 24, 16), torch.nan), "fundus": torch.full((3, 32, 32), torch.nan)}
    got = build(kind, 1.0).set_random_state(0)(given)
    assert all(got[key] is given[key] for key in given)
    assert build(kind, 1.0).set_random_state(0)({"row": 3}) == {"row": 3}
