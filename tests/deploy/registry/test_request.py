"""What a served model answers, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import torch

from bundle.deploy.inputs import input_shapes
from bundle.deploy.intervals import intervals_of
from bundle.deploy.registry.request import MAX_EYES, answer
from bundle.errors import InputError
from tests.deploy.toy_intervals import DESCRIBED, expected_limits_db
from tests.toy import FUNDUS_SIZE, OCT_GRID, toy_regressor

GRIDS = {"oct_grid": list(OCT_GRID), "fundus_size": FUNDUS_SIZE}
NAN = float("nan")


def eyes(n: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = input_shapes(toy_regressor(), GRIDS)
    return {key: rng.normal(size=(n, *shape)).astype(np.float32) for key, shape in shapes.items()}


def ask(inputs: Any, modalities: tuple[str, ...] = ("oct", "fundus")) -> list[dict[str, Any]]:
    network = toy_regressor(modalities).eval()
    return answer(network, input_shapes(network, GRIDS), intervals_of(DESCRIBED), inputs)


def test_answers_are_the_networks_with_none_where_a_modality_is_missing() -> None:
    inputs = eyes()
    inputs["fundus"][1], inputs["image"][2] = NAN, NAN
    found = ask(inputs)
    with torch.no_grad():
        both = toy_regressor().eval()(*(torch.from_numpy(inputs[key][:1]) for key in ("image", "fundus")))
        oct_alone = toy_regressor().eval()(torch.from_numpy(inputs["image"][1:2]), None)
        fundus_alone = toy_regressor().eval()(None, torch.from_numpy(inputs["fundus"][2:]))
    assert [one["md_db"] for one in found] == pytest.approx(
        [float(both), float(oct_alone), float(fundus_alone)], abs=1e-5
    )
    assert [one["md_fundus_db"] is None for one in found] == [False, True, False]
    assert [one["md_oct_db"] is None for one in found] == [False, False, True]
    assert found[1]["md_db"] == found[1]["md_oct_db"]
    for one, modalities in zip(found, (["oct", "fundus"], ["oct"], ["fundus"]), strict=True):
        limits_db = [one["interval_low_db"], one["interval_high_db"]]
        assert limits_db == pytest.approx(expected_limits_db(one["md_db"], modalities), abs=1e-3)
        assert one["interval_level"] == 0.9
    assert {one["stage"] for one in found} <= {"near-normal", "early", "moderate", "advanced", "severe"}


def test_a_model_without_intervals_has_none_in_their_place() -> None:
    network = toy_regressor().eval()
    (one,) = answer(network, input_shapes(network, GRIDS), {}, eyes(1))
    assert one["interval_low_db"] is one["interval_high_db"] is one["interval_level"] is None


def test_a_network_of_one_modality_takes_that_one_alone() -> None:
    inputs = eyes()
    (one,) = ask({"image": inputs["image"][:1]}, ("oct",))
    assert one["md_fundus_db"] is None
    assert one["md_db"] == one["md_oct_db"]
    with pytest.raises(InputError, match="eye 0 has no image"):
        ask({"image": np.full_like(inputs["image"][:1], NAN)}, ("oct",))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"fundus": None}, "found image; expected image and fundus"),
        ({"photo": eyes()["fundus"]}, "found fundus, image, photo"),
        ({"image": eyes()["image"].astype(np.float64)}, "image: dtype float64; expected float32"),
        ({"image": eyes()["image"][:, :, 1:]}, r"image: shape \(3, 1, 3, 16, 8\); expected \(eyes, 1, 4, 16, 8\)"),
        ({"image": np.float32(1)}, r"image: shape \(\)"),
        ({"image": eyes()["image"][:1]}, "expected as many in each"),
        ({key: values[:0] for key, values in eyes().items()}, "0 eyes; expected 1 to"),
        (eyes(MAX_EYES + 1), f"{MAX_EYES + 1} eyes; expected 1 to {MAX_EYES} a request"),
        ({key: np.full_like(values, NAN) for key, values in eyes().items()}, "eye 0 has neither image nor fundus"),
        ({"image": np.where(eyes()["image"] > 1, NAN, eyes()["image"])}, "image: eye 0 has values that are not finite"),
        ({"image": np.where(eyes()["image"] > 1, np.inf, eyes()["image"])}, "not finite"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(change: dict[str, Any], match: str) -> None:
    inputs = {key: values for key, values in (eyes() | change).items() if values is not None}
    inputs = {key: value.astype(np.float32) if "finite" in match else value for key, value in inputs.items()}
    with pytest.raises(InputError, match=match) as caught:
        ask(inputs)
    assert "\n" not in str(caught.value)


def test_one_damaged_eye_among_others_is_named() -> None:
    inputs = eyes()
    inputs["fundus"][1, 0, 0, 0] = NAN
    with pytest.raises(InputError, match="fundus: eye 1 has values that are not finite"):
        ask(inputs)


def test_the_largest_request_is_answered() -> None:
    assert len(ask(eyes(MAX_EYES))) == MAX_EYES
