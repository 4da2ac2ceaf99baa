"""The command `python -m scripts.export`: what it writes, what it refuses, and that a wrong file is found out."""

from __future__ import annotations

import copy
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import load_net_with_metadata

from bundle.deploy.export import writers
from bundle.deploy.export.comparison import compare, eager_answers, largest_difference_db, of_subset
from bundle.deploy.model_folder import load_model
from bundle.errors import InputError
from scripts.export import main
from tests.deploy.export.conftest import random_eyes, toy_model
from tests.toy import MEAN_DB, toy_regressor, write_cohort


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 6, missing={1: "oct", 2: "fundus"})


def export(monkeypatch: pytest.MonkeyPatch, model: Path, out: Path, *options: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["export", "--model", str(model), "--out", str(out), *map(str, options)])
    return main()


def test_torchscript_and_torch_export_are_written_and_described(
    model: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ("--formats", "torchscript", "torch_export", "--manifest", manifest, "--prepare", manifest)
    assert export(monkeypatch, model, out, *options) == 0
    table = capsys.readouterr().out
    assert table.count(" ok") == 2 * 4 * 2
    assert "FAIL" not in table
    assert {path.name for path in out.iterdir()} == {"model.ts", "model.pt2", "export.json", "eyes.npz"}
    about = json.loads((out / "export.json").read_text())
    assert about["format"] == 1
    assert about["weights_sha256"] == json.loads((model / "model.json").read_text())["weights_sha256"]
    assert about["inputs"]["image"]["shape"] == ["batch", 1, 4, 16, 8]
    assert (
        about["tools"]["torch"] == torch.__version__.partition("+")[0] or about["tools"]["torch"] == torch.__version__
    )
    assert all(line["eyes"] == 4 for one in about["files"] for line in one["compared"])  # two lack an image

    network, _ = load_model(model)
    image, fundus = (torch.from_numpy(x) for x in random_eyes(2).values())
    script, metadata, _ = load_net_with_metadata(str(out / "model.ts"))
    assert metadata["model_version"] == about["model_version"]
    program = torch.export.load(str(out / "model.pt2")).module()
    with torch.no_grad():
        assert torch.allclose(script(image, None), network(image), atol=1e-5)
        assert torch.allclose(script(None, fundus), network(None, fundus), atol=1e-5)
        assert torch.allclose(program(image=image, fundus=fundus)[0], network(image, fundus)[:, 0], atol=1e-5)

    here = str(Path(writers.__file__).resolve().parents[3]).encode()
    for name in ("model.ts", "model.pt2"):  # whoever gets them learns nothing of this machine
        with zipfile.ZipFile(out / name) as file:
            assert not any(here in file.read(entry) for entry in file.infolist())

    with np.load(out / "eyes.npz") as eyes:
        assert eyes["row"].tolist() == [2, 3, 4, 5, 6, 7]
        assert np.isnan(eyes["image"]).reshape(6, -1).all(1).tolist() == [False, True, False, False, False, False]
        assert np.isnan(eyes["fundus"]).reshape(6, -1).all(1).tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("modality", ["oct", "fundus"])
def test_a_model_of_one_modality_takes_one_input(
    modality: str, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = toy_model(tmp_path / "model", [modality])
    options = ("--formats", "torchscript", "torch_export", "--manifest", manifest)
    assert export(monkeypatch, one, tmp_path / "out", *options) == 0
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert list(about["inputs"]) == [{"oct": "image", "fundus": "fundus"}[modality]]


def test_a_file_that_answers_otherwise_fails_and_is_not_kept(
    model: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, write = writers.WRITERS["torchscript"]

    def of_other_weights(network: Any, *arguments: Any) -> Any:
        other = copy.deepcopy(network)
        with torch.no_grad():
            other.fundus_head.bias += 1e-3
        return write(other, *arguments)

    monkeypatch.setitem(writers.WRITERS, "torchscript", (file, of_other_weights))
    out = tmp_path / "out"
    assert export(monkeypatch, model, out, "--formats", "torchscript", "--manifest", manifest) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("torchscript")]
    assert [line.endswith("FAIL") for line in lines] == [
        "OCT alone" not in line for line in lines
    ]  # the answer of OCT alone does not need that head
    assert not list(tmp_path.glob("*out*"))
    options = ("--formats", "torchscript", "--manifest", manifest, "--tolerance", "1")
    assert export(monkeypatch, model, out, *options) == 0


def test_an_existing_folder_is_replaced_only_with_force_and_only_an_export(
    model: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    options = ("--formats", "torchscript", "--manifest", manifest)
    for more in ((), ("--force",)):
        with pytest.raises(InputError, match="exists already"):
            export(monkeypatch, model, out, *options, *more)
    (out / "export.json").write_text("{}")
    with pytest.raises(InputError, match="--force"):
        export(monkeypatch, model, out, *options)
    assert export(monkeypatch, model, out, *options, "--force") == 0
    assert (out / "model.ts").is_file()


def test_no_complete_eye_and_no_eyes_are_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_cohort(tmp_path / "cohort", 3, missing=dict.fromkeys(range(3), "oct"))
    with pytest.raises(InputError, match="no eye with image and fundus"):
        export(monkeypatch, model, tmp_path / "out", "--manifest", manifest)
    with pytest.raises(InputError, match="--eyes"):
        export(monkeypatch, model, tmp_path / "out", "--eyes", "0")


def test_mixed_shows_each_subset_in_turn() -> None:
    mixed = of_subset(random_eyes(5), "mixed")
    lost = {name: np.isnan(x).reshape(5, -1).all(1).tolist() for name, x in mixed.items()}
    assert lost == {"image": [False, False, True, False, False], "fundus": [False, True, False, False, True]}


def test_comparison_tells_the_largest_difference_and_a_lost_answer() -> None:
    network, eyes = toy_regressor().eval(), random_eyes(4)

    def answer(batch: writers.Batch) -> Any:
        given = {name: torch.from_numpy(x) for name, x in batch.items()}
        with torch.no_grad():
            return network.predict_subsets(**given).numpy() + np.float32(0.25)

    assert [line.difference_db for line in compare(answer, network, eyes)] == pytest.approx([0.25] * 8, abs=1e-5)
    expected = eager_answers(network, eyes, "both")
    assert abs(expected - MEAN_DB).max() < 40
    found = expected.copy()
    found[3, 2] = np.nan
    assert largest_difference_db(found, expected) == float("inf")
    assert largest_difference_db(found[:3], expected) == float("inf")


def test_every_subset_goes_through_many_eyes_at_a_time_and_one_at_a_time() -> None:
    network, eyes, sizes = toy_regressor().eval(), random_eyes(4), []

    def answer(batch: writers.Batch) -> Any:
        sizes.append(len(batch["image"]))
        return np.zeros((len(batch["image"]), 3), np.float32)

    assert [line.batch_size for line in compare(answer, network, eyes)] == [32, 1] * 4
    assert sizes == [4, 1, 1, 1, 1] * 4
