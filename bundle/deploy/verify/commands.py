"""The commands of the card, run in a copy of the package in a folder of its own: train, evaluate, infer."""

from __future__ import annotations

import csv
import json
import math
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

from packaging.version import Version

from bundle.deploy.checksums import bundle_files
from bundle.deploy.verify import process
from bundle.deploy.verify.environment import Environment
from bundle.deploy.verify.files import large_files
from bundle.deploy.verify.metadata import pins, read_metadata
from bundle.deploy.verify.outcome import Check, Failed
from bundle.deploy.zoo_rules import SAMPLE_MANIFEST, WEIGHTS

RUN = ("-W", "ignore", "-m", "monai.bundle", "run")
VERSIONS = (
    "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in json.loads(sys.argv[1])}))"
)
COHORT = ("-m", "scripts.make_phantom", "--out", "data/few", "--patients", "12", "--test-eyes", "6", "--quiet")
TRAIN = (
    *RUN,
    "training",
    "--config_file",
    "configs/train.yaml",
    "--manifest",
    "data/few/manifest.csv",
    "--max_epochs",
    "1",
)
EVALUATE = (
    *RUN, "evaluating", "--config_file", "['configs/inference.yaml','configs/evaluate.yaml']",
    "--ckpt_path", "eval/latest/model.pt", "--manifest", "data/few/manifest.csv",
)  # fmt: skip
INFER = (*RUN, "evaluating", "--config_file", "configs/inference.yaml", "--manifest", SAMPLE_MANIFEST)


class CommandChecks:
    """Four checks that follow one another: the environment, one epoch, evaluation of its model, inference as shipped.

    Args:
        folder: of the package; its code is run, in a copy.
        environment: where it runs.
    """

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.folder, self.environment = folder, environment
        self._scratch = tempfile.TemporaryDirectory(prefix="verify_bundle_")

    def checks(self) -> list[Check]:
        """Name and function of each."""
        return [
            ("fresh environment", self.fresh), ("train one epoch", self.train), ("evaluate", self.evaluate),
            ("infer the sample eyes", self.infer),
        ]  # fmt: skip

    def close(self) -> None:
        """Remove the copy."""
        self._scratch.cleanup()

    @cached_property
    def copy(self) -> Path:
        """A copy of the package's files, without what runs left in its folder."""
        target = Path(self._scratch.name) / self.folder.resolve().name
        for file in bundle_files(self.folder):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / file, target / file)
        return target

    def fresh(self) -> str:
        """The packages of the metadata are there together, at those versions; a given interpreter's may be others."""
        wanted = pins(read_metadata(self.folder))
        found = json.loads(process.tail(self._run("-c", VERSIONS, json.dumps(list(wanted))), 1))
        others = [f"{name} {found[name]}" for name, pin in wanted.items() if Version(found[name]).public != pin]
        if others and not self.environment.given:
            raise Failed(
                f"other versions than the pins: {', '.join(others)}", "remove the environment; it is made again"
            )
        return f"{len(found)} packages" + (f", not as pinned: {', '.join(others)}" if others else ", as pinned")

    def train(self) -> str:
        """One epoch on a few simulated eyes leaves a model and a report."""
        self._run(*COHORT)
        self._run(*TRAIN)
        return self._left("eval/latest", "model.pt", "model.json", "history.csv", "test/metrics.json")

    def evaluate(self) -> str:
        """That model, judged on the test eyes of the same cohort."""
        self._run(*EVALUATE)
        return self._left("eval/evaluation", "metrics.json", "report.md", "predictions.csv")

    def infer(self) -> str:
        """The weights of the package predict a number for each of the sample eyes."""
        elsewhere = not (self.folder / WEIGHTS).is_file() and WEIGHTS in large_files(self.folder)
        self._run(*INFER, *(("--ckpt_path", "eval/latest/model.pt") if elsewhere else ()))
        with (self.copy / "eval" / "inference" / "predictions.csv").open(encoding="utf-8") as file:
            found_db = [float(row["pred_db"] or "nan") for row in csv.DictReader(file)]
        if len(found_db) != 2 or not all(map(math.isfinite, found_db)):
            raise Failed(f"predicted {found_db} instead of two numbers", "look at the sample eyes and the weights")
        remark = " (weights of the epoch above: those of the package lie elsewhere)" if elsewhere else ""
        return ", ".join(f"{one:.2f} dB" for one in found_db) + remark

    def _run(self, *arguments: str) -> str:
        return process.run([self.environment.python(), *arguments], cwd=self.copy)

    def _left(self, where: str, *names: str) -> str:
        missing = [name for name in names if not (self.copy / where / name).is_file()]
        if missing:
            raise Failed(f"{where} lacks {', '.join(missing)}", "run the command by hand and see what it prints")
        return ""
