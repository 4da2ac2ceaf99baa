"""A saved model: whole or not at all, plain data, and nothing in it is run."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bundle.deploy.model_folder import load_model, save_model
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError
from tests.toy import FUNDUS_SIZE, OCT_GRID, largest_difference, toy_regressor, write_cohort

GRID = {"oct_grid": list(OCT_GRID), "oct_extent_mm": [6.0, 2.0, 6.0], "fundus_size": FUNDUS_SIZE}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", toy_regressor().eval(), {"version": "0.0.1", **GRID})
    return tmp_path / "model"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), n_patients=2).parent


def change(folder: Path, **values: Any) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))


def test_save_and_load_give_the_same_network_in_eval_mode(folder: Path) -> None:
    network, description = load_model(folder)
    assert largest_difference(network, toy_regressor()) == 0.0
    assert not network.training
    assert description.items() >= {"version": "0.0.1", **GRID}.items()


def test_a_failed_write_keeps_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_model(folder, toy_regressor(seed=7), {})
    monkeypatch.undo()
    assert largest_difference(load_model(folder)[0], toy_regressor()) == 0.0
    assert {path.name for path in folder.iterdir()} == {"model.pt", "model.json"}


def test_every_flipped_byte_of_the_weights_is_caught(folder: Path) -> None:
    whole = (folder / "model.pt").read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(whole), 40):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        (folder / "model.pt").write_bytes(bytes(damaged))
        with pytest.raises(InputError, match=r"model\.pt: (checksum|damaged)"):
            load_model(folder)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"format": 2}, "format is not 1"),
        ({"network": "absent"}, "no network"),
        ({"weights_sha256": "absent"}, "no weights_sha256"),
        ({"network": toy_regressor(["oct"]).spec()}, "do not fit"),
        ({"network": [1]}, "_target_"),
        ({"network": toy_regressor().oct_encoder.spec()}, "do not fit|not an MDRegressor"),
    ],
    ids=["format", "no network", "no checksum", "other network", "no spec", "part of a network"],
)
def test_a_description_that_does_not_fit_is_refused_in_one_line(folder: Path, values: dict, match: str) -> None:
    change(folder, **values)
    with pytest.raises(InputError, match=match) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "\xff"])
def test_a_missing_or_broken_description_is_refused(folder: Path, content: str | None) -> None:
    (folder / "model.json").unlink() if content is None else (folder / "model.json").write_text(content, "latin-1")
    with pytest.raises(InputError, match=r"model\.json"):
        load_model(folder)


def test_missing_weights_are_refused(folder: Path) -> None:
    (folder / "model.pt").unlink()
    with pytest.raises(InputError, match="no such file"):
        load_model(folder)


# ---- prediction ----------------------------------------------------------------------------------------------------


def test_predictions_of_one_eye_are_those_of_the_network(folder: Path, cohort: Path) -> None:
    predictor = Predictor(folder)
    paths = {"oct": str(cohort / "oct0.npz"), "fundus": str(cohort / "fundus0.png")}
    both = predictor.predict(**paths)
    assert both["eye"] == "OD"
    assert both["modalities"] == ["oct", "fundus"]
    assert both["model_version"].startswith("0.0.1+")
    batch = predictor.preprocessing({"image": paths["oct"], "fundus": paths["fundus"], "eye": "OD"})
    with torch.no_grad():
        expected = load_model(folder)[0](batch["image"][None], batch["fundus"][None])
    assert both["md_db"] == pytest.approx(float(expected), abs=1e-3)
    assert predictor.predict(oct=paths["oct"])["md_db"] == both["md_oct_db"]
    alone = predictor.predict(fundus=paths["fundus"], eye="OD")
    assert alone["md_db"] == both["md_fundus_db"]
    assert "md_oct_db" not in alone


def test_what_cannot_be_predicted_is_refused(folder: Path, cohort: Path, tmp_path: Path) -> None:
    predictor = Predictor(folder)
    with pytest.raises(InputError, match="neither OCT nor fundus"):
        predictor.predict()
    with pytest.raises(InputError, match="--eye OD"):
        predictor.predict(fundus=str(cohort / "fundus0.png"))
    with pytest.raises(InputError, match="absent"):
        predictor.predict(oct=str(cohort / "absent.npz"), eye="OD")
    with pytest.raises(InputError, match=r"laterality|eye"):
        predictor.predict(oct=str(cohort / "oct0.npz"), eye="OS")
    with pytest.raises(InputError):
        predictor.predict(fundus=str(cohort / "fundus0.png"), eye="left")
    text = tmp_path / "text.png"
    text.write_text("no image")
    with pytest.raises(InputError, match=r"text\.png"):
        predictor.predict(fundus=str(text), eye="OD")
    save_model(tmp_path / "oct", toy_regressor(["oct"]), {"version": "0.0.1", **GRID})
    with pytest.raises(InputError, match="this model reads oct"):
        Predictor(tmp_path / "oct").predict(fundus=str(cohort / "fundus0.png"), eye="OD")


def test_the_eye_of_a_file_s_name_counts_and_must_not_be_contradicted(
    folder: Path, cohort: Path, tmp_path: Path
) -> None:
    predictor = Predictor(folder)
    paths = {eye: shutil.copy(cohort / "fundus0.png", tmp_path / f"17_{eye}_1.png") for eye in ("OD", "OS")}
    assert predictor.predict(fundus=str(paths["OS"]))["eye"] == "OS"
    oct_of_right = str(cohort / "oct0.npz")
    assert predictor.predict(oct=oct_of_right, fundus=str(paths["OD"]))["eye"] == "OD"
    with pytest.raises(InputError, match="found OD, but the file's name says OS"):
        predictor.predict(fundus=str(paths["OS"]), eye="OD")
    with pytest.raises(InputError, match=r"the files say \['OD', 'OS'\]"):
        predictor.predict(oct=oct_of_right, fundus=str(paths["OS"]))
    with pytest.raises(InputError, match="found OD, but the file's name says OS"):
        predictor.predict(oct=oct_of_right, fundus=str(paths["OS"]), eye="OD")


def test_a_grey_photograph_is_converted(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)).save(tmp_path / "grey.png")
    answer = Predictor(folder).predict(fundus=str(tmp_path / "grey.png"), eye="OD")
    assert np.isfinite(answer["md_db"])


@pytest.mark.parametrize("key", GRID)
def test_an_expression_in_a_downloaded_description_is_not_run(folder: Path, tmp_path: Path, key: str) -> None:
    sentinel = tmp_path / "ran"
    payload = f"$__import__('pathlib').Path({str(sentinel)!r}).touch()"
    for value in (payload, [payload], {"_target_": "pathlib.Path.touch", "self": str(sentinel)}, "absent", [], -1, 1e9):
        change(folder, **{key: value})
        with pytest.raises(InputError, match=key):
            Predictor(folder)
    assert not sentinel.exists()
