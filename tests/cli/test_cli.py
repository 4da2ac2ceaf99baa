"""Commands as a new user types them, and the mistakes a new user makes."""

import contextlib
import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigWorkflow

from bundle.errors import FriendlyErrors
from tests.toy import write_cohort

CANARY = "CANARY4711-"
ROOT = Path(__file__).resolve().parents[2]
SMALL = {"oct_grid": [8, 24, 16], "fundus_size": 32, "batch_size": 4}


@pytest.fixture(autouse=True)
def process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with torch.random.fork_rng():
        yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 12, patient=CANARY)


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MONAI_FAIL_ON_DUPLICATE_CONFIG": "1"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def train(cwd: Path, **keys: Any) -> subprocess.CompletedProcess[str]:
    options = [part for key, value in keys.items() for part in (f"--{key}", str(value))]
    config = str(ROOT / "configs" / "train.yaml")
    return command(
        "-m", "monai.bundle", "run", "training", "--config_file", config, "--bundle_root", str(ROOT), *options, cwd=cwd
    )


def test_training_starts_from_any_folder(cohort: Path, tmp_path: Path) -> None:
    """Absolute paths and --bundle_root; nothing is written where the user stands."""
    (tmp_path / "elsewhere").mkdir()
    out = tmp_path / "run"
    done = train(
        tmp_path / "elsewhere", manifest=cohort, max_epochs=1, output_dir=out, tracking_uri=f"sqlite:///{tmp_path}/db/mlflow.db",
        device="cpu", **SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "model.pt").is_file()
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []
    predicted = command(
        "-m", "scripts.predict", "--model", str(out), "--oct", str(cohort.parent / "oct0.npz"), cwd=ROOT
    )
    assert predicted.returncode == 0, predicted.stderr[-3000:]
    assert '"modalities": ["oct"]' in predicted.stdout


def test_a_mistake_in_a_process_is_one_line_and_a_status(tmp_path: Path) -> None:
    done = train(tmp_path, manifest=tmp_path / "absent.csv", output_dir=tmp_path / "run")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "absent.csv" in line


# ---- mistakes, in process through the hook that the config installs ------------------------------------------------

Change = Callable[[list[dict[str, str]]], Any]


def manifest(cohort: Path, folder: Path, change: Change) -> Path:
    """The toy manifest with absolute paths, changed."""
    with cohort.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= {key: str(cohort.parent / row[key]) for key in ("oct", "fundus")}
    columns = change(rows) or list(rows[0] if rows else ["patient_id", "eye", "oct", "fundus", "md_db", "split"])
    path = folder / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def last_words(**keys: Any) -> str:
    """What the process would print on its way out, after the error went through the installed hook."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            flow = ConfigWorkflow(
                config_file=str(ROOT / "configs" / "train.yaml"), workflow_type="train", run_id="training",
                meta_file=str(ROOT / "configs" / "metadata.json"), logging_file=None, bundle_root=str(ROOT),
                device="$torch.device('cpu')", **{**SMALL, **keys},
            )  # fmt: skip
            flow.initialize()
            flow.run()
    except Exception:
        assert getattr(sys.excepthook, "__self__", None).__class__ is FriendlyErrors
        with contextlib.redirect_stderr(printed):
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return printed.getvalue()
    pytest.fail("no error")


def rename(old: str, new: str) -> Change:
    def change(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row[new] = row.pop(old)

    return change


def cell(number: int, **values: str) -> Change:
    return lambda rows: rows[number].update(values)


MISTAKES: dict[str, tuple[Change, list[str]]] = {
    "wrong column name": (rename("md_db", "MD"), ["md_db"]),
    "MD as text": (cell(2, md_db="severe"), ["row 4", "md_db", "severe"]),
    "MD with the wrong sign": (cell(2, md_db="14.5"), ["row 4", "md_db", "14.5"]),
    "no image at all": (cell(1, oct="", fundus=""), ["row 3", "oct", "fundus"]),
    "no such file": (cell(0, oct="absent.npz"), ["row 2", "absent.npz"]),
    "no eye in the manifest": (lambda rows: rows.clear(), ["no"]),
    "a patient in two splits": (cell(11, patient_id=f"{CANARY}0"), ["patient", "split"]),
    "no validation eye": (lambda rows: [row.update(split="train") for row in rows] and None, ["validation"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_manifest_is_one_line(name: str, cohort: Path, tmp_path: Path) -> None:
    change, words = MISTAKES[name]
    text = last_words(manifest=str(manifest(cohort, tmp_path, change)), output_dir=str(tmp_path / "run"))
    assert_one_line(text, words)
    assert CANARY not in text


def test_an_unreadable_image_is_one_line(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no volume")
    path = manifest(cohort, tmp_path, cell(3, oct=str(tmp_path / "text.npz")))
    assert_one_line(last_words(manifest=str(path), output_dir=str(tmp_path / "run")), ["row 5", "text.npz"])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"max_epoch": 3}, ["unknown key 'max_epoch'", "did you mean 'max_epochs'"]),
        ({"ascent#rhoo": 1}, ["ModalityBudgetAscent", "'rhoo'", "rho"]),
        ({"train#trainer#max_epoch": 1}, ["SharpnessAwareTrainer", "did you mean 'max_epochs'"]),
        ({"optimizer#_target_": "torch.optim.AdamV"}, ["torch.optim.AdamV"]),
        ({"rho": -1.0}, ["rho", "-1"]),
        ({"apply_to": "weights"}, ["apply_to", "'weights'"]),
        ({"resume": "nowhere"}, ["nowhere"]),
    ],
    ids=str,
)
def test_a_mistake_in_an_option_is_one_line(
    keys: dict[str, Any], words: list[str], cohort: Path, tmp_path: Path
) -> None:
    text = last_words(manifest=str(cohort), output_dir=str(tmp_path / "run"),
                      use_mlflow=False, **keys)  # fmt: skip
    assert_one_line(text, words)


def test_a_misspelt_run_to_resume_makes_no_folder(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output folder is derived from `resume`: it must not be made, nor filled, for a run that does not exist."""
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    text = last_words(manifest=str(cohort), resume="eval/latst", use_mlflow=False)
    assert_one_line(text, ["eval/latst"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def assert_one_line(text: str, words: list[str]) -> None:
    assert text.startswith("error: "), text
    assert text.count("\n") == 1, text
    for word in words:
        assert word in text, text
