"""The package as a whole: what is in it, that it is the same every time, and what is refused."""

import csv
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file

from bundle.deploy.package.build import Package, build_package
from bundle.deploy.verify.outcome import run_checks
from bundle.deploy.verify.verify import OF_FILES
from bundle.deploy.zoo_rules import DEFAULT_NAME
from bundle.errors import InputError
from tests.deploy.packaged import ROOT, package, write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return package(tmp_path_factory.mktemp("package"))


def test_it_holds_what_runs_and_nothing_of_the_workshop(made: Package) -> None:
    names = {path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*") if path.is_file()}
    assert {
        "LICENSE",
        "requirements.txt",
        "SHA256SUMS",
        "configs/train.yaml",
        "docs/README.md",
        "scripts/predict.py",
    } < names
    assert {"docs/data_license.txt", "models/model.pt", "models/model.json", "models/model.safetensors"} < names
    for unwanted in ("tests/", "eval/", "bundle/comparison/", "bundle/deploy/package/", ".git", "docs/results/"):
        assert not [name for name in names if name.startswith(unwanted)], unwanted
    assert not [name for name in names if "__pycache__" in name]
    assert not [path for path in made.folder.parent.iterdir() if path.name.startswith(".")]


def test_weights_are_the_models_in_both_files(made: Package, tmp_path: Path) -> None:
    state = torch.load(made.folder / "models" / "model.pt", weights_only=True)
    tensors = load_file(made.folder / "models" / "model.safetensors")
    assert state.keys() == tensors.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(tensor.numpy(), tensors[name])


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_checksums_are_those_of_sha256sum(made: Package) -> None:
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made.folder, check=False)
    assert done.returncode == 0
    files = [path for path in made.folder.rglob("*") if path.is_file()]
    assert len((made.folder / "SHA256SUMS").read_text().splitlines()) == len(files) - 1


def test_the_archive_unpacks_to_the_folder_and_is_the_same_every_time(made: Package, tmp_path: Path) -> None:
    assert made.archive.name == f"{DEFAULT_NAME}_v0.1.0.zip"
    with zipfile.ZipFile(made.archive) as archive:
        archive.extractall(tmp_path)
    for path in made.folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / DEFAULT_NAME / path.relative_to(made.folder)).read_bytes() == path.read_bytes()
    again = build_package(ROOT, made.folder.parents[1] / "run", tmp_path / "again", DEFAULT_NAME)
    assert again.archive.read_bytes() == made.archive.read_bytes()


def test_card_and_metadata_have_the_score_of_the_runs_report(made: Package) -> None:
    metadata = json.loads((made.folder / "configs" / "metadata.json").read_text())
    score = metadata["eval_metrics"]
    assert score["test_mse_db2"] == 7.25
    assert score["test_mse_db2_ci95"] == [6.25, 8.25]
    assert score["cohort_digest"] == "ab" * 32
    assert score["seed"] == 0
    assert score["command"].endswith("--config_file configs/train.yaml --max_epochs 7")
    card = (made.folder / "docs" / "README.md").read_text()
    assert "| OCT and fundus | 20 | 7.25 [6.25, 8.25] | 1.50 [1.00, 2.00] | 0.50 |" in card
    assert "--max_epochs 7" in card
    assert card.index("## Performance") < card.index("7.25") < card.index("## MONAI Bundle Commands")


def test_sample_eyes_are_a_right_and_a_left_one(made: Package) -> None:
    manifest = made.folder / "sample_data" / "manifest.csv"
    with manifest.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["eye"] for row in rows] == ["OD", "OS"]
    assert rows[0]["patient_id"] != rows[1]["patient_id"]
    for row in rows:
        assert (manifest.parent / row["oct"]).is_file()
        assert (manifest.parent / row["fundus"]).is_file()
    card = (made.folder / "docs" / "README.md").read_text()
    named = re.findall(r"sample_data/\S+", card)
    assert len(named) == 3
    assert all((made.folder / name).is_file() for name in named), named


def test_large_weights_are_listed_set_aside_and_in_the_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--weights-url"):
        package(tmp_path / "a", most_bytes=1_500_000)
    assert list((tmp_path / "a" / "dist").iterdir()) == []
    made = package(tmp_path / "b", most_bytes=1_500_000, url="https://example.org/weights/")
    entries = yaml.safe_load((made.folder / "large_files.yml").read_text())["large_files"]
    assert [entry["path"] for entry in entries] == ["models/model.pt", "models/model.safetensors"]
    assert entries[0]["url"] == "https://example.org/weights/model.pt"
    assert not (made.folder / "models" / "model.pt").exists()
    for path, entry in zip(made.aside, entries, strict=True):
        done = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(entry["hash_val"])
    with zipfile.ZipFile(made.archive) as archive:
        assert f"{DEFAULT_NAME}/models/model.pt" in archive.namelist()
    outcomes = {one.check: one for one in run_checks([(n, lambda c=c: c(made.folder)) for n, c in OF_FILES.items()])}
    assert outcomes["required files"].status == outcomes["checksums"].status == outcomes["large files"].status == "ok"


def test_an_earlier_package_is_replaced_only_when_asked(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", report=False)
    folder = build_package(ROOT, run, tmp_path, DEFAULT_NAME).folder
    (folder / "LICENSE").unlink()
    with pytest.raises(InputError, match="--force"):
        build_package(ROOT, run, tmp_path, DEFAULT_NAME)
    made = build_package(ROOT, run, tmp_path, DEFAULT_NAME, force=True)
    assert (folder / "LICENSE").is_file()
    assert made.score is None
    assert "score is not known" in (folder / "docs" / "README.md").read_text()
    other = tmp_path / "oct_other_name"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(InputError, match="something else"):
        build_package(ROOT, run, tmp_path, "oct_other_name", force=True)
    assert (other / "thesis.txt").is_file()


@pytest.mark.parametrize("name", ["oct", "oct-md", "oct_visual_field", "_oct_md", "oct__md", "oct_md/..", ""])
def test_a_name_that_the_zoo_could_not_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name"):
        build_package(ROOT, tmp_path, tmp_path, name)


def test_a_model_that_the_configs_cannot_load_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fundus_size differ from inference\.yaml"):
        build_package(ROOT, write_run(tmp_path / "run", fundus_size=96), tmp_path, DEFAULT_NAME)
    assert not list(tmp_path.glob("*oct*"))
