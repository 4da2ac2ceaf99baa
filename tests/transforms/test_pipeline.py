"""The default pipeline, built as the configs build it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from bundle.errors import InputError

WriteEye = Callable[..., dict[str, Any]]

PIPELINE = yaml.safe_load("""
oct_grid: [16, 48, 32]
oct_extent_mm: [6.0, 2.0, 6.0]
fundus_size: 64
deterministic:
- {_target_: bundle.transforms.LoadOctd, keys: image}
- {_target_: bundle.transforms.LoadFundusd, keys: fundus}
- {_target_: bundle.transforms.OrientToRightEyed, keys: [image, fundus]}
- {_target_: bundle.transforms.ResampleToGridd, keys: image, grid: '@oct_grid', extent_mm: '@oct_extent_mm'}
- {_target_: bundle.transforms.StandardizeOctIntensityd, keys: image}
- {_target_: bundle.transforms.ResizeFundusd, keys: fundus, size: '@fundus_size'}
- {_target_: bundle.transforms.CorrectIlluminationd, keys: fundus}
- {_target_: bundle.transforms.StandardizeFundusd, keys: fundus}
- {_target_: bundle.transforms.LabelToTensord, keys: label}
- _target_: bundle.transforms.FillMissingModalityd
  shapes: {image: [1, 16, 48, 32], fundus: [3, 64, 64]}
random:
- {_target_: bundle.transforms.RandOctAffined, keys: image, prob: 0.8, extent_mm: '@oct_extent_mm'}
- {_target_: bundle.transforms.RandSpeckled, keys: image, prob: 0.5}
- {_target_: bundle.transforms.RandOctContrastd, keys: image, prob: 0.5}
- {_target_: bundle.transforms.RandSignalDropd, keys: image, prob: 0.3}
- {_target_: bundle.transforms.RandBScanDropoutd, keys: image, prob: 0.3}
- {_target_: bundle.transforms.RandFundusAffined, keys: fundus, prob: 0.8}
- {_target_: bundle.transforms.RandFundusColord, keys: fundus, prob: 0.8}
- {_target_: bundle.transforms.RandFundusBlurd, keys: fundus, prob: 0.3}
- {_target_: bundle.transforms.RandModalityDropoutd, keys: [image, fundus], prob: 0.1}
dataset: {_target_: bundle.data.dataset.EyeDataset, data: '@items', deterministic: '@deterministic', random: '@random'}
preprocessing: {_target_: Compose, transforms: $@deterministic + @random}
""")


def build(items: list[dict[str, Any]], part: str) -> Any:
    return ConfigParser({**PIPELINE, "items": items}).get_parsed_content(part)


def test_files_become_plain_tensors_of_the_networks_shapes(write_eye: WriteEye) -> None:
    dataset = build([write_eye(2), write_eye(3, eye="OS")], "dataset")
    for index in range(2):
        item = dataset[index]
        assert set(item) == {"image", "fundus", "label", "row"}
        assert {key: tuple(item[key].shape) for key in ("image", "fundus", "label")} == {
            "image": (1, 16, 48, 32),
            "fundus": (3, 64, 64),
            "label": (1,),
        }
        for key in ("image", "fundus", "label"):
            assert type(item[key]) is torch.Tensor
            assert item[key].dtype == torch.float32
            assert item[key].is_contiguous()
        assert item["row"] == index + 2


def test_left_eye_equals_the_right_eye_it_mirrors(write_eye: WriteEye) -> None:
    right, left = write_eye(2, eye="OD"), write_eye(2, eye="OS", mirrored=True)
    steps = build([right], "deterministic")
    results = []
    for item in (right, left):
        for step in steps:
            item = step(item)
        results.append(item)
    for key in ("image", "fundus"):
        assert torch.equal(results[0][key], results[1][key])


def test_8_and_16_bit_volumes_give_the_same_tensor(write_eye: WriteEye, monkeypatch: pytest.MonkeyPatch) -> None:
    item = write_eye(2)
    eight = build([item], "dataset")._cached[0]["image"]
    from bundle.data import readers

    read = readers.read_oct

    def read_16_bit(path: str, **options: Any) -> Any:
        volume = read(path, **options)
        return replace(volume, voxels=volume.voxels.astype(np.uint16) * 257)

    monkeypatch.setattr(readers, "read_oct", read_16_bit)
    sixteen = build([item], "dataset")._cached[0]["image"]
    np.testing.assert_allclose(sixteen.numpy(), eight.numpy(), atol=1e-4)


@pytest.mark.parametrize("absent", ["image", "fundus"])
def test_eye_with_one_examination_keeps_it_and_gets_nan_for_the_other(write_eye: WriteEye, absent: str) -> None:
    item = {key: value for key, value in write_eye(2).items() if key != absent}
    dataset = build([item], "dataset")
    other = {"image": "fundus", "fundus": "image"}[absent]
    for epoch in range(20):
        got = dataset[epoch, 0]
        assert bool(got[absent].isnan().all())
        assert bool(got[other].isfinite().all())


def test_pipeline_works_inside_a_monai_compose_too(write_eye: WriteEye) -> None:
    got = build([write_eye(2)], "preprocessing").set_random_state(0)(write_eye(2))
    assert got["image"].shape == (1, 16, 48, 32)


def test_corrupt_file_is_named_with_its_row(write_eye: WriteEye) -> None:
    item = write_eye(9)
    Path(item["image"]).write_bytes(b"PK\x03\x04 not a volume")
    with pytest.raises((InputError, RuntimeError)) as caught:
        build([item], "dataset")
    from bundle.errors import find_input_error

    error = find_input_error(caught.value)
    assert error is not None
    assert "manifest row 9" in str(error)
    assert "9_OD.npz" in str(error)
