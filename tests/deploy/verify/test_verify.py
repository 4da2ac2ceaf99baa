"""A whole package passes; each kind of damage fails the check that is named for it, with a fix, and no other."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bundle.deploy.checksums import write_sums
from bundle.deploy.verify.environment import Environment
from bundle.deploy.verify.network import NetworkChecks
from bundle.deploy.verify.outcome import Failed, Outcome, Skipped, run_checks
from bundle.deploy.verify.probe import Package as Probed
from bundle.deploy.verify.probe import net_in_out
from bundle.deploy.verify.verify import OF_FILES, verify
from bundle.deploy.zoo_rules import METADATA
from bundle.errors import InputError
from tests.deploy.packaged import ROOT


def of_files(folder: Path) -> dict[str, Outcome]:
    return {one.check: one for one in run_checks([(n, lambda c=c: c(folder)) for n, c in OF_FILES.items()])}


def failing(outcomes: dict[str, Outcome]) -> set[str]:
    return {name for name, one in outcomes.items() if one.status == "FAIL"}


def change(folder: Path, **values: object) -> None:
    content = json.loads((folder / METADATA).read_text()) | values
    (folder / METADATA).write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))


def test_an_interpreter_is_found_from_here_and_kept_as_a_link(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks run elsewhere, and what a link leads to would not be in its environment."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert Environment(whole, python="bin/python").python() == str(tmp_path / "bin" / "python")
    with pytest.raises(InputError, match="found no program bin/snake"):
        Environment(whole, python="bin/snake")


def test_a_whole_package_passes_from_any_folder(whole: Path, tmp_path: Path) -> None:
    before = sorted(whole.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "scripts.verify_bundle", str(whole), "--quick"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1] == "17 ok, 0 failed, 5 skipped"
    assert [line for line in lines if line.startswith("ok    TorchScript: largest difference 0 dB")]
    assert sorted(whole.rglob("*")) == before, "verifying left files in the package"


def pickled(folder: Path) -> None:
    (folder / "models" / "extra.bin").write_bytes(pickle.dumps({"a": 1}))


def objects_in_npz(folder: Path) -> None:
    np.savez(folder / "docs" / "objects.npz", a=np.array([{}], dtype=object))


def other_checkpoint(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "models" / "other.pt")


def large(folder: Path) -> None:
    (folder / "models" / "noise.bin").write_bytes(bytes(26_000_000))


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no licence": (lambda f: (f / "LICENSE").unlink(), "required files", "LICENSE"),
    "no weights": (lambda f: (f / "models" / "model.pt").unlink(), "required files", "models/model.pt"),
    "no inference config": (lambda f: (f / "configs" / "inference.yaml").unlink(), "required files", "inference"),
    "large file": (large, "file sizes", "noise.bin"),
    "changelog": (lambda f: change(f, version="0.2.0"), "version and changelog", "0.2.0"),
    "version": (lambda f: change(f, version="1", changelog={"1": "a"}), "version and changelog", "MAJOR.MINOR.PATCH"),
    "schema": (lambda f: change(f, task="absent"), "metadata schema", "task"),
    "tensor": (lambda f: change(f, network_data_format={"inputs": {}}), "metadata schema", "network_data_format"),
    "loose pin": (lambda f: change(f, monai_version=">=1.6"), "exact pins", "monai '>=1.6'"),
    "pin out of range": (lambda f: change(f, numpy_version="1.26.4"), "exact pins", "numpy 1.26.4 is not"),
    "no pins": (lambda f: change(f, required_packages_version={}), "exact pins", "mlflow has no pin"),
    "requirement": (lambda f: (f / "requirements.txt").write_text("numpy=>2"), "exact pins", "requirements.txt"),
    "path": (lambda f: (f / "docs" / "own_data.md").write_text("see /" + "home/jane/scan"), "no local paths", "line 1"),
    "pickle": (pickled, "no pickles", "extra.bin"),
    "objects": (objects_in_npz, "no pickles", "objects.npz"),
    "checkpoint": (other_checkpoint, "no pickles", "other.pt"),
    "import": (lambda f: (f / "bundle" / "a.py").write_text("import torchvision"), "no torchvision", "bundle/a.py"),
    "requires": (lambda f: (f / "configs" / "a.yaml").write_text("x: $torchvision.a()"), "no torchvision", "a.yaml"),
    "lost module": (lambda f: (f / "bundle" / "errors.py").unlink(), "imports", "bundle.errors"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_fails_its_check_alone(name: str, light: Path) -> None:
    damage, check, word = DAMAGE[name]
    damage(light)
    write_sums(light)  # as if it had been packaged so
    outcomes = of_files(light)
    assert word in outcomes[check].text
    assert check == "required files" or "fix: " in outcomes[check].text
    assert failing(outcomes) == {check}


def test_a_changed_a_missing_and_an_added_file_fail_the_checksums(light: Path) -> None:
    for damage, text in (
        (lambda: (light / "LICENSE").write_text("mine"), "LICENSE differs"),
        (lambda: (light / "configs" / "evaluate.yaml").unlink(), "configs/evaluate.yaml is missing"),
        (lambda: (light / "notes.txt").write_text("x"), "notes.txt is not listed"),
    ):
        damage()
        assert text in of_files(light)["checksums"].text
    (light / "SHA256SUMS").write_text("nonsense\n")
    assert "line 1" in of_files(light)["checksums"].text


def test_what_running_leaves_in_the_folder_is_no_damage(light: Path) -> None:
    for name in ("eval/latest/model.pt", "data/phantom/a.npz", "bundle/__pycache__/a.pyc"):
        (light / name).parent.mkdir(parents=True, exist_ok=True)
        (light / name).write_bytes(b"\x80\x04.")
    assert failing(of_files(light)) == set()


def test_a_folder_with_another_name_fails_the_name(light: Path) -> None:
    renamed = light.rename(light.with_name("bundle"))
    assert failing(of_files(renamed)) == {"name"}


def test_network_damage_fails_its_checks_and_the_others_are_made(copy: Path) -> None:
    metadata = json.loads((copy / METADATA).read_text())
    metadata["network_data_format"]["outputs"]["pred"]["num_channels"] = 2
    (copy / METADATA).write_text(json.dumps(metadata))
    state = torch.load(copy / "models" / "model.pt", weights_only=True)
    state["md_mean_db"] += 1
    torch.save(state, copy / "models" / "model.pt")
    train = copy / "configs" / "train.yaml"
    train.write_text(train.read_text().replace("    max_epochs: '@max_epochs'\n", ""))
    found = {one.check: one for one in run_checks(NetworkChecks(copy, sys.executable).checks())}
    assert failing(found) == {"network in and out", "weights", "train properties"}
    assert "output channel number `1` doesn't match: `2`" in found["network in and out"].text
    assert "different weights" in found["weights"].text


def test_an_input_that_the_config_does_not_prepare_is_named(light: Path, tmp_path: Path) -> None:
    assert net_in_out(Probed(light, tmp_path)) == "image (1, 16, 48, 32), fundus (3, 64, 64)"
    metadata = json.loads((light / METADATA).read_text())
    metadata["network_data_format"]["inputs"]["fundus"]["spatial_shape"] = [32, 32]
    (light / METADATA).write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=r"fundus is \(3, 32, 32\), the config prepares \(3, 64, 64\)"):
        net_in_out(Probed(light, tmp_path))


def test_a_package_without_weights_that_lie_elsewhere_skips_what_needs_them(light: Path) -> None:
    (light / "models" / "model.pt").unlink()
    (light / "large_files.yml").write_text("large_files:\n- {path: models/model.pt, url: 'https://example.org/a'}\n")
    checks = dict(NetworkChecks(light, sys.executable).checks())
    with pytest.raises(Skipped, match="elsewhere"):
        checks["weights"]()


def test_an_interpreter_that_does_not_run_fails_every_network_check(whole: Path) -> None:
    broken = NetworkChecks(whole, sys.executable)
    broken.__dict__["_results"] = {}
    assert failing({one.check: one for one in run_checks(broken.checks())}) == {name for name, _ in broken.checks()}


def test_no_folder_is_a_mistake_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        list(verify(tmp_path / "absent", None))


def test_an_environment_is_not_made_in_somebody_elses_folder(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(Failed, match="something else"):
        Environment(whole, tmp_path).python()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_archive_alone_is_enough(whole: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO((whole.parent / f"{whole.name}_v0.1.0.zip").read_bytes())) as archive:
        archive.extractall(tmp_path)
    assert failing(of_files(tmp_path / whole.name)) == set()


@pytest.mark.slow
def test_the_commands_of_the_card_run_in_the_package(whole: Path) -> None:
    """Train one epoch, evaluate, infer; with this interpreter instead of a fresh environment, which takes minutes."""
    outcomes = {one.check: one for one in verify(whole, Environment(whole, python=sys.executable))}
    assert failing(outcomes) == set()
    assert outcomes["infer the sample eyes"].text.count("dB") == 2
