"""The checks that run the package's network and configs, made by `probe.py` in one process of its own."""

from __future__ import annotations

import json
import tempfile
from functools import cached_property
from pathlib import Path

from bundle.deploy.verify import process
from bundle.deploy.verify.files import large_files
from bundle.deploy.verify.outcome import Check, Failed, Skipped
from bundle.deploy.zoo_rules import WEIGHTS

PROBE = Path(__file__).with_name("probe.py")
FIXES = {
    "monai verify_metadata": "mend configs/metadata.json",
    "train properties": "define in configs/train.yaml what is missing, with the ids that MONAI expects",
    "inference properties": "define in configs/inference.yaml what is missing, with the ids that MONAI expects",
    "network in and out": "bring network_data_format in configs/metadata.json and the network in step",
    "weights": "package the model again, from a folder that training wrote",
    "TorchScript": "keep the network scriptable; see docs/export.md",
}
NEED_WEIGHTS = ("weights", "TorchScript")


class NetworkChecks:
    """Runs the probe once, when the first of its checks is asked for.

    Args:
        folder: of the package. Its code is run.
        python: interpreter with the package's requirements.
    """

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.python = folder, python

    def checks(self) -> list[Check]:
        """Name and function of each."""
        return [(name, lambda name=name: self._outcome(name)) for name in FIXES]  # type: ignore[misc]

    def _outcome(self, name: str) -> str:
        if name in NEED_WEIGHTS and not (self.folder / WEIGHTS).is_file() and WEIGHTS in large_files(self.folder):
            raise Skipped("the weights lie elsewhere, see large_files.yml; download them to models/ to check them")
        status, text = self._results.get(name, ("FAIL", f"{WEIGHTS} is missing"))
        if status != "ok":
            raise Failed(text, FIXES[name])
        return text

    @cached_property
    def _results(self) -> dict[str, tuple[str, str]]:
        with tempfile.TemporaryDirectory() as scratch:
            result = Path(scratch) / "result.json"
            try:
                command = [self.python, "-P", "-W", "ignore", str(PROBE), str(self.folder), str(result)]
                process.run(command, cwd=Path(scratch))
            except Failed as failed:
                return {name: ("FAIL", str(failed)) for name in FIXES}
            return {name: (status, text) for name, (status, text) in json.loads(result.read_text("utf-8")).items()}
