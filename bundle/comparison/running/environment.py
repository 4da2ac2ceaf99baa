"""What a comparison ran on: for the head of its report."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bundle.reporting.provenance import commit_of_code, cores_in_words

PACKAGES = ("torch", "monai", "pytorch-ignite", "numpy")


def hardware() -> str:
    """Processor, cores that may be used, and GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join([cpu_model(), cores_in_words(), *gpus])


def cpu_model() -> str:
    """The processor's name as the system states it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> str:
    """Python and the packages that the numbers depend on."""
    found = [f"Python {sys.version.split()[0]}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def git_commit() -> str:
    """Commit of this code, `+ changes` when files differ from it, `unknown` outside of a checkout."""
    state = commit_of_code()
    if state is None:
        return "unknown"
    commit, changed = state
    return f"{commit[:12]} + changes" if changed else commit[:12]


def public_command(command: str) -> str:
    """A command line to publish: of an absolute path only the last name is left, so that no user's folder shows.

    >>> public_command("python -m scripts.compare --manifest /home/jane/mine.csv --seeds 3")
    'python -m scripts.compare --manifest …/mine.csv --seeds 3'
    """
    words = [public_value(word) for word in shlex.split(command)]
    return " ".join(word if "…/" in word and " " not in word else shlex.quote(word) for word in words)


def public_value(value: Any) -> Any:
    """A setting to publish, likewise; a list or a mapping is gone through, `KEY=PATH` counts as a path."""
    if isinstance(value, Mapping):
        return {key: public_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [public_value(one) for one in value]
    if not isinstance(value, str | Path):
        return value
    key, equals, place = str(value).rpartition("=")
    scheme, mark, path = place.rpartition("://")  # sqlite:////home/jane/mlflow.db
    hide = Path(path).is_absolute() or path.startswith("~")
    return f"{key}{equals}{scheme}{mark}…/{Path(path).name}" if hide else str(value)
