"""The default weights: trained on the simulated cohort when there are none yet."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import sys
from pathlib import Path

from bundle.deploy.model_folder import DESCRIPTION, TEST_METRICS, WEIGHTS
from bundle.deploy.package.score import CONFIG
from bundle.errors import InputError

PROMOTED = (WEIGHTS, DESCRIPTION, CONFIG, TEST_METRICS)


def ensure_model(model: Path, root: Path, train: bool) -> None:
    """Nothing when the folder holds a model; otherwise trains the default configuration and promotes it to there.

    The training is a child process that shows its progress, about 5 minutes on 2 CPU cores.

    Args:
        model: folder of the model.
        root: of the repository.
        train: False refuses instead of training.

    Raises:
        InputError: no model and `train` is False, or the training failed.
    """
    if (model / WEIGHTS).is_file() or (model / DESCRIPTION).is_file():
        return
    if not train:
        raise InputError(
            f"model: no {WEIGHTS} in {model}; give --model, for example eval/latest, or leave out --no-train"
        )
    run = root / "eval" / datetime.datetime.now().strftime("default_%Y-%m-%d_%H-%M-%S")
    print(f"no model in {model}: training the default one in {run}, some minutes", flush=True)
    command = [
        sys.executable, "-W", "ignore::UserWarning", "-m", "monai.bundle", "run", "training",
        "--config_file", "configs/train.yaml", "--output_dir", str(run), "--run_name", run.name,
    ]  # fmt: skip
    if subprocess.run(command, cwd=root, check=False).returncode or not (run / WEIGHTS).is_file():
        raise InputError("model: the training failed, see above; `make train` runs the same")
    promote(run, model)


def promote(run: Path, model: Path) -> None:
    """Copy a run's model together with its score; files keep their dates."""
    for name in PROMOTED:
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(run / name, model / name)
