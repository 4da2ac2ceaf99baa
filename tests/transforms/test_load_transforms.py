from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bundle.errors import InputError
from bundle.transforms import LoadFundusd, LoadOctd

WriteEye = Callable[..., dict[str, Any]]


def test_volume_arrives_with_its_grey_values_axes_and_spacing(write_eye: WriteEye) -> None:
    item = write_eye()
    got = LoadOctd(keys="image")(item)
    voxels = np.load(item["image"])["voxels"]
    assert got["image"].dtype == torch.uint8
    assert np.array_equal(got["image"].numpy(), voxels[None])
    assert got["image_spacing_mm"] == pytest.approx((0.3, 2 / 96, 0.15))
    assert item["image"].endswith(".npz")  # the given item is left alone


def test_photograph_arrives_channels_first_from_0_to_1(write_eye: WriteEye) -> None:
    item = write_eye()
    got = LoadFundusd(keys="fundus")(item)["fundus"]
    pixels = np.asarray(Image.open(item["fundus"]))
    np.testing.assert_allclose(got.numpy(), np.moveaxis(pixels, 2, 0) / 255.0, atol=1e-7)
    assert got.is_contiguous()


def test_file_of_the_other_eye_is_refused(write_eye: WriteEye) -> None:
    with pytest.raises(InputError, match=r"manifest row 2, column eye: found OD, but .*2_OD.npz says OS"):
        LoadOctd(keys="image")(write_eye(eye="OD", file_eye="OS"))


def test_spacing_of_the_config_replaces_that_of_the_file(write_eye: WriteEye) -> None:
    got = LoadOctd(keys="image", spacing_mm=[0.2, 0.01, 0.1])(write_eye())
    assert got["image_spacing_mm"] == (0.2, 0.01, 0.1)
    with pytest.raises(InputError, match="expected three"):
        LoadOctd(keys="image", spacing_mm=[0.2])


def test_conversion_of_a_grey_photograph_is_logged(write_eye: WriteEye, caplog: pytest.LogCaptureFixture) -> None:
    item = write_eye()
    Image.open(item["fundus"]).convert("L").save(item["fundus"])
    with caplog.at_level(logging.INFO):
        got = LoadFundusd(keys="fundus")(item)["fundus"]
    assert got.shape == (3, 80, 100)
    assert "manifest row 2: fundus" in caplog.text


def test_eye_comes_from_the_file_where_the_item_has_none(write_eye: WriteEye) -> None:
    item = {**write_eye(eye="OS"), "eye": None}
    assert LoadOctd(keys="image")(item)["eye"] == "OS"


def test_absent_examination_is_skipped() -> None:
    assert LoadOctd(keys="image")({"row": 2}) == {"row": 2}
    assert LoadFundusd(keys="fundus")({"row": 2}) == {"row": 2}
