"""model.ts: the network as it was, and beside it what MONAI Deploy reads."""

import json
from pathlib import Path

import pytest
import torch

from bundle.deploy.intervals import intervals_of
from bundle.deploy.model_folder import load_model
from bundle.deploy.monai_deploy.model_file import model_description, write_model_file
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError
from tests.deploy.monai_deploy.conftest import GRID


@pytest.fixture(scope="module")
def model_file(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model_file(model_folder, tmp_path_factory.mktemp("ts") / "model.ts")


def test_answers_are_those_of_the_network_for_each_subset(model_file: Path, model_folder: Path) -> None:
    image, fundus = torch.randn(4, 1, 4, 16, 8), torch.randn(4, 3, 16, 16)
    image[1], fundus[2] = torch.nan, torch.nan
    with torch.no_grad():
        found = torch.jit.load(model_file).predict_subsets(image, fundus)
        expected = load_model(model_folder)[0].predict_subsets(image, fundus)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0, equal_nan=True)


def test_the_archive_holds_the_model_s_own_grids_where_the_sdk_looks(model_file: Path) -> None:
    extra = {"metadata.json": "", "inference.json": ""}
    torch.jit.load(model_file, _extra_files=extra)
    inference, metadata = (json.loads(extra[name]) for name in ("inference.json", "metadata.json"))
    assert {key: inference[key] for key in GRID} == GRID
    inputs = metadata["network_data_format"]["inputs"]
    assert list(inputs) == ["image", "fundus"]
    assert [inputs[name]["spatial_shape"] for name in inputs] == [[4, 16, 8], [16, 16]]


def test_version_and_intervals_are_those_of_predict(model_file: Path, model_folder: Path) -> None:
    found, predictor = model_description(model_file), Predictor(model_folder)
    assert found["model_version"] == predictor.version
    assert intervals_of(found) == predictor.intervals != {}


def test_a_renamed_file_is_refused(model_file: Path, tmp_path: Path) -> None:
    """The SDK finds no configuration in it, and predicts from images as they come."""
    other = tmp_path / "other.ts"
    other.write_bytes(model_file.read_bytes())
    with pytest.raises(InputError, match="renamed"):
        model_description(other)


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.ts"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="no model file of this bundle"):
        model_description(path)


def test_a_file_is_replaced_only_when_asked(model_file: Path, model_folder: Path, tmp_path: Path) -> None:
    before = model_file.read_bytes()
    with pytest.raises(InputError, match="--force"):
        write_model_file(model_folder, model_file)
    assert model_file.read_bytes() == before
    assert write_model_file(model_folder, model_file, force=True) == model_file
    with pytest.raises(InputError, match=r"ends in \.ts"):
        write_model_file(model_folder, tmp_path / "model.pt")
