from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from bundle.errors import InputError
from bundle.transforms import FillMissingModalityd, LabelToTensord, OrientToRightEyed, RandModalityDropoutd

FINISH = FillMissingModalityd(shapes={"image": [1, 2, 3, 4], "fundus": [3, 5, 5]})


def test_examination_not_taken_becomes_nan_of_its_shape() -> None:
    got = FINISH({"fundus": torch.rand(3, 5, 5), "label": torch.zeros(1), "row": 4})
    assert got["image"].shape == (1, 2, 3, 4)
    assert bool(got["image"].isnan().all())
    assert bool(got["fundus"].isfinite().all())


def test_everything_leaves_plain_and_contiguous() -> None:
    image = MetaTensor(torch.rand(1, 4, 3, 2, dtype=torch.float64).permute(0, 3, 2, 1), meta={"patient": "x"})
    got = FINISH(
        {"image": image, "fundus": torch.rand(3, 5, 5), "image_spacing_mm": (1, 1, 1), "eye": "OS", "row": "9"}
    )
    assert set(got) == {"image", "fundus", "row"}
    assert type(got["image"]) is torch.Tensor
    assert got["image"].dtype == torch.float32
    assert got["image"].is_contiguous()
    assert torch.equal(got["image"], image.as_tensor().float())
    assert got["row"] == 9


def test_wrong_shape_is_named_with_what_was_expected() -> None:
    with pytest.raises(
        InputError, match=r"manifest row 6: key 'fundus': found a tensor of shape \(3, 5, 6\), expected \(3, 5, 5\)"
    ):
        FINISH({"fundus": torch.rand(3, 5, 6), "row": 6})


def test_stray_nan_is_not_taken_for_a_missing_examination() -> None:
    fundus = torch.rand(3, 5, 5)
    fundus[1, 2, 2] = torch.nan
    with pytest.raises(InputError, match="found NaN or infinite values"):
        FINISH({"fundus": fundus, "row": 6})


def test_eye_without_any_examination_is_refused() -> None:
    with pytest.raises(InputError, match="manifest row 3: found none of"):
        FINISH({"label": torch.zeros(1), "row": 3})


def test_label_becomes_one_float32_in_db() -> None:
    got = LabelToTensord(keys="label")({"label": -3.25})["label"]
    assert (got.shape, got.dtype, float(got)) == ((1,), torch.float32, -3.25)


@pytest.mark.parametrize("item", [{}, {"label": None}, {"label": float("nan")}])
def test_unlabelled_eye_gets_nan_for_prediction_and_is_refused_for_training(item: dict[str, object]) -> None:
    assert bool(LabelToTensord(keys="label")(item)["label"].isnan())
    with pytest.raises(InputError, match="expected the Mean Deviation"):
        LabelToTensord(keys="label", required=True)(item)


@pytest.mark.parametrize("bad", ["-3,2", float("inf"), [1, 2]])
def test_label_that_is_no_number_is_refused(bad: object) -> None:
    with pytest.raises(InputError, match=r"manifest row 5: key 'label': found .* expected the Mean Deviation"):
        LabelToTensord(keys="label")({"label": bad, "row": 5})


def test_left_eye_is_mirrored_and_right_eye_is_not() -> None:
    image, fundus = torch.rand(1, 2, 3, 4), torch.rand(3, 5, 6)
    orient = OrientToRightEyed(keys=["image", "fundus"])
    right = orient({"image": image, "fundus": fundus, "eye": "OD"})
    assert right["image"] is image
    left = orient({"image": image, "fundus": fundus, "eye": "OS"})
    assert torch.equal(left["image"], image[..., [3, 2, 1, 0]])
    assert torch.equal(left["fundus"], fundus[..., [5, 4, 3, 2, 1, 0]])


@pytest.mark.parametrize("eye", [None, "left", "OU"])
def test_unknown_eye_is_refused(eye: str | None) -> None:
    with pytest.raises(InputError, match=r"manifest row 8: key 'eye': found .* expected 'OD' or 'OS'"):
        OrientToRightEyed(keys="image")({"image": torch.rand(1, 2, 3, 4), "eye": eye, "row": 8})


def test_modality_dropout_takes_either_examination_but_never_both() -> None:
    transform = RandModalityDropoutd(keys=["image", "fundus"], prob=0.5).set_random_state(0)
    lost = {"image": 0, "fundus": 0, "none": 0}
    for _ in range(400):
        got = transform({"image": torch.zeros(1, 2, 2, 2), "fundus": torch.zeros(3, 2, 2)})
        gone = [key for key, x in got.items() if bool(x.isnan().all())]
        assert len(gone) <= 1
        lost[gone[0] if gone else "none"] += 1
    assert lost["none"] == pytest.approx(200, abs=45)
    assert lost["image"] == pytest.approx(100, abs=40)


def test_modality_dropout_leaves_the_only_examination() -> None:
    transform = RandModalityDropoutd(keys=["image", "fundus"], prob=1.0).set_random_state(0)
    only = torch.zeros(3, 2, 2)
    for _ in range(10):
        assert transform({"fundus": only})["fundus"] is only


def test_modality_dropout_needs_two_keys() -> None:
    with pytest.raises(InputError, match="expected two examinations"):
        RandModalityDropoutd(keys=["image"], prob=0.5)
