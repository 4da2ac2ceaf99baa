"""What a comparison ran on: for the head of its report."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bundle.reporting.provenance import commit_of_code

PACKAGES = ("torch", "monai", "pytorch-ignite", "numpy")


def hardware() -> str:
    """Processor, cores that may be used, and GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join([cpu_model(), f"{cores()} cores", *gpus])


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
