"""The runner beside model.onnx: without torch, with the answers of the model, and clear about what it cannot read."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.deploy.export.export import export_model
from bundle.deploy.export.eyes import write_prepared
from bundle.deploy.predictor import Predictor
from bundle.metrics import stage_of
from tests.deploy.export.conftest import random_eyes
from tests.toy import write_cohort

pytest.importorskip("onnxscript", reason="needs requirements-export.txt")
pytest.importorskip("onnxruntime", reason="needs requirements-export.txt")
WITHOUT_TORCH = (
    "import runpy, sys\n"
    "for name in ('torch', 'monai', 'bundle', 'onnx', 'scipy'): sys.modules[name] = None\n"  # an import of it now fails
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx") / "out"
    done = export_model(Predictor(model), out, random_eyes(7), ["onnx"])
    assert max(line.difference_db for line in done[0].compared) <= 1e-4
    return out


@pytest.fixture(scope="module")
def runner(exported: Path) -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("predict_onnx", exported / "predict_onnx.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.OnnxPredictor(str(exported / "model.onnx"))


def run(exported: Path, eyes: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, exported / "predict_onnx.py", exported / "model.onnx", eyes]
    return subprocess.run(command, cwd=eyes.parent, capture_output=True, text=True, check=False)


def test_it_prints_what_scripts_predict_prints_without_torch(model: Path, exported: Path, tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "cohort", 4, missing={1: "oct", 2: "fundus"})
    predictor = Predictor(model)
    write_prepared(predictor, manifest, tmp_path / "eyes.npz")
    done = run(exported, tmp_path / "eyes.npz")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.pop("row") for answer in answers] == [2, 3, 4, 5]
    for number, answer in enumerate(answers):
        oct, fundus = (manifest.parent / f"{kind}{number}.{ext}" for kind, ext in (("oct", "npz"), ("fundus", "png")))
        paths = {"oct": None if number == 1 else str(oct), "fundus": None if number == 2 else str(fundus)}
        expected = predictor.predict(**paths, eye="OD")
        assert answer.keys() == expected.keys()
        for key, value in expected.items():
            in_db = isinstance(value, float) or key == "interval_db"
            assert answer[key] == (pytest.approx(value, abs=2e-3) if in_db else value)
        assert len(answer["interval_db"]) == 2


def test_unrounded_answers_are_those_of_the_network(model: Path, runner: Any) -> None:
    eyes = random_eyes(3)
    eyes["image"][1], eyes["fundus"][2] = np.nan, np.nan
    expected = Predictor(model).network.predict_subsets(*map(_tensor, eyes.values())).detach().numpy()
    answers = runner.predict(eyes)
    assert [answer["md_db"] for answer in answers] == pytest.approx(expected[:, 0].tolist(), abs=1e-4)
    assert [answer["modalities"] for answer in answers] == [["oct", "fundus"], ["fundus"], ["oct"]]
    alone = runner.predict({"fundus": eyes["fundus"][:1]})[0]
    assert alone["md_db"] == pytest.approx(float(expected[0, 2]), abs=1e-4)


def test_more_eyes_than_one_batch_come_back_in_order(runner: Any) -> None:
    eyes = random_eyes(40)
    whole = runner.predict(eyes)
    single = [runner.predict({name: x[i : i + 1] for name, x in eyes.items()})[0] for i in range(40)]
    assert [a["md_db"] for a in whole] == pytest.approx([a["md_db"] for a in single], abs=1e-4)


def test_stages_are_those_of_the_bundle(runner: Any) -> None:
    for md_db in (2.0, -2.999, -3.0, -3.001, -5.999, -6.0, -6.001, -12.0, -12.001, -30.0):
        assert runner._stage(md_db) == stage_of(md_db)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({}, "no array"),
        ({"oct": np.zeros((1, 1, 4, 16, 8), np.float32)}, "found oct, expected image and fundus"),
        ({"image": np.zeros((1, 1, 4, 16, 9), np.float32)}, r"image: found float32 .*expected float32 \(eyes, 1, 4"),
        ({"image": np.zeros((1, 1, 4, 16, 8))}, "image: found float64"),
        ({"image": np.zeros((0, 1, 4, 16, 8), np.float32)}, "image: found"),
        ({"image": np.float32(0)}, "image: found"),
        ({"image": np.zeros((2, 1, 4, 16, 8), np.float32), "fundus": np.zeros((1, 3, 16, 16), np.float32)}, "fundus: "),
        ({"fundus": np.full((1, 3, 16, 16), np.nan, np.float32)}, "eye 0: found neither image"),
    ],
    ids=["nothing", "name", "shape", "type", "no eye", "scalar", "other number", "all missing"],
)
def test_arrays_that_do_not_fit_are_refused(runner: Any, arrays: dict[str, np.ndarray], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        runner.predict(arrays)


def test_an_unreadable_file_is_one_line_and_status_2(exported: Path, tmp_path: Path) -> None:
    text = tmp_path / "eyes.npz"
    text.write_text("no eyes")
    done = run(exported, text)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_model_file_names_its_inputs_and_nothing_of_this_machine(exported: Path) -> None:
    import onnx

    model = onnx.load(exported / "model.onnx")
    first_axes = {one.name: one.type.tensor_type.shape.dim[0].dim_param for one in model.graph.input}
    assert first_axes == {"image": "batch", "fundus": "batch"}
    assert [one.name for one in model.graph.output] == ["md_db", "md_oct_db", "md_fundus_db"]
    assert str(Path(__file__).resolve().parents[3]).encode() not in (exported / "model.onnx").read_bytes()


def _tensor(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values)
