"""Kill a training again and again with SIGKILL, look at its checkpoints each time, and let it go on.

python -m scripts.kill_training --kills 50

Every second kill waits until a checkpoint is being written. After each one no checkpoint may be unreadable, at least
one must be there, and the newest may be at most one epoch behind history.csv. In the end the weights must be those of
a training that was never killed, bit for bit. Exit code: 0 when all of that holds, 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from bundle.errors import InputError, run_main
from bundle.handlers.checkpoint import checkpoints_in
from bundle.reporting.history import History
from bundle.weights import load_weights_only

ROOT = Path(__file__).resolve().parents[1]
EPOCHS_A_KILL = 3
LONGEST_S = 2.0  # after the first new checkpoint
START_S = 300.0  # until then


@dataclass
class Findings:
    """What was seen: kills, those that hit a checkpoint being written, and every fault in one line each."""

    kills: int = 0
    while_writing: int = 0
    faults: list[str] = field(default_factory=list)


def checkpoints(run: Path) -> dict[int, Path]:
    """By epoch."""
    return checkpoints_in(run / "checkpoints")


def being_written(run: Path) -> bool:
    """Whether the folder holds a file that is not a checkpoint yet."""
    folder = run / "checkpoints"
    return folder.is_dir() and any(not path.name.startswith("checkpoint_epoch=") for path in folder.iterdir())


def examine(run: Path) -> list[str]:
    """The faults of a training that was killed."""
    found, faults = checkpoints(run), []
    for epoch, path in found.items():
        try:
            load_weights_only(path)
        except InputError as error:
            faults.append(f"checkpoint of epoch {epoch} is unreadable: {error}")
    last = int(list(History.from_csv(run / "history.csv"))[-1]["epoch"])
    if not found:
        faults.append(f"no checkpoint after epoch {last}")
    elif max(found) < last - 1:
        faults.append(f"the newest checkpoint is of epoch {max(found)}, the history of epoch {last}")
    return faults


def start(manifest: Path, run: Path, epochs: int, resume: bool) -> subprocess.Popen[bytes]:
    """A training in a process of its own."""
    where = ["--resume", str(run)] if resume else ["--output_dir", str(run)]
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "training"]
    command += ["--config_file", "configs/train.yaml", "--manifest", str(manifest), "--max_epochs", str(epochs)]
    command += ["--patience", "0", "--batch_size", "8", "--use_mlflow", "false", "--interval_level", "0", *where]
    with (run.parent / f"{run.name}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def kill(process: subprocess.Popen[bytes], run: Path, rng: random.Random, writing: bool) -> bool | None:
    """Kill it after a new checkpoint, at a random moment or while the next one is written.

    Returns:
        Whether one was being written; None where the training ended before.
    """
    before, deadline = max(checkpoints(run), default=0), time.monotonic() + START_S
    while max(checkpoints(run), default=0) <= before:
        if process.poll() is not None or time.monotonic() > deadline:
            return None
        time.sleep(0.002)
    deadline = time.monotonic() + (30.0 if writing else rng.uniform(0, LONGEST_S))
    while time.monotonic() < deadline and not (writing and being_written(run)):
        if process.poll() is not None:
            return None
        time.sleep(0.0005)
    hit = being_written(run)
    process.kill()
    process.wait()
    return hit


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.kill_training", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--kills", type=int, default=50, help="(default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        findings = campaign(Path(scratch), arguments.kills, random.Random(arguments.seed))
    for fault in findings.faults:
        print(f"fault: {fault}")
    print(
        f"{findings.kills} kills, {findings.while_writing} of them while a checkpoint was written: "
        f"{len(findings.faults)} faults"
    )
    return 1 if findings.faults else 0


def campaign(scratch: Path, kills: int, rng: random.Random) -> Findings:
    """One training left alone and one that is killed; both end after the same number of epochs."""
    from bundle.data.phantom import make_phantom

    manifest = Path(make_phantom(out_dir=str(scratch / "phantom"), preset="default", seed=0, n_patients=16))
    epochs, findings = EPOCHS_A_KILL * kills + 10, Findings()
    alone, killed = scratch / "alone", scratch / "killed"
    if start(manifest, alone, epochs, resume=False).wait():
        raise InputError(f"the training itself failed: {(scratch / 'alone.log').read_text()[-500:]}")
    for number in tqdm(range(kills), desc="kills", disable=None):
        hit = kill(start(manifest, killed, epochs, resume=number > 0), killed, rng, writing=number % 2 == 1)
        if hit is None:
            findings.faults.append(f"the training ended before kill {number + 1}: see its log: {_last(scratch)}")
            break
        findings.kills, findings.while_writing = findings.kills + 1, findings.while_writing + hit
        findings.faults += examine(killed)
    start(manifest, killed, epochs, resume=True).wait()
    findings.faults += compare(alone, killed, epochs)
    return findings


def compare(alone: Path, killed: Path, epochs: int) -> list[str]:
    """Faults where the weights after the last epoch differ in any bit."""
    if epochs not in checkpoints(killed):
        return [f"the killed training did not reach epoch {epochs}: {_last(killed.parent)}"]
    ours, theirs = (load_weights_only(checkpoints(run)[epochs])["network"] for run in (killed, alone))
    return [f"weights differ: {name}" for name, values in ours.items() if not torch.equal(values, theirs[name])]


def _last(scratch: Path) -> str:
    lines = (scratch / "killed.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"


if __name__ == "__main__":
    run_main(main)
