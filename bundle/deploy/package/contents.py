"""Which files of the repository a package holds: what training, evaluating and inferring need, and how-tos."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

from bundle.errors import InputError

FOLDERS = ("bundle", "configs")
FILES = ("LICENSE", "requirements.txt", "scripts/__init__.py")
DOCS = (
    "README.md",
    "data_license.txt",
    "method.md",
    "own_data.md",
    "ingest.md",
    "phantom.md",
    "export.md",
    "registry.md",
)
# commands that need nothing but the package: predict one eye, pass the model on, prepare own eyes, check the package
SCRIPTS = (
    "predict", "fit_intervals", "export", "register_model", "serve_model", "make_phantom", "ingest", "doctor",
    "verify_bundle",
)  # fmt: skip
# what studies methods or makes the package needs the repository: its tests, its results, its history
LEFT_OUT = (
    "bundle/comparison", "bundle/baselines", "bundle/deploy/package", "bundle/deploy/versions",
    "bundle/deploy/monailabel", "bundle/deploy/monai_deploy", "configs/compare", "configs/data",
)  # fmt: skip


def source_files(root: Path) -> list[str]:
    """Paths relative to `root`, sorted, of the files that go into a package.

    In a git checkout those that git tracks or would add; elsewhere those on the disk that are no cache.

    Raises:
        InputError: the folder lacks one of `FILES`, so it is not the repository.
    """
    found = [name for name in _listed(root) if _wanted(name) and (root / name).is_file()]
    for name in FILES:
        if name not in found:
            raise InputError(f"{root}: no {name}; run the command in the repository's root")
    return sorted(found)


def _wanted(name: str) -> bool:
    path = PurePosixPath(name)
    if any(path.is_relative_to(folder) for folder in LEFT_OUT):
        return False
    in_docs = path.parent == PurePosixPath("docs") and path.name in DOCS
    in_scripts = path.parent == PurePosixPath("scripts") and path.suffix == ".py" and path.stem in SCRIPTS
    return name in FILES or path.parts[0] in FOLDERS or in_docs or in_scripts


def _listed(root: Path) -> list[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        if (root / ".git").exists():
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            return [name for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.SubprocessError):
        pass  # no git on this machine: the disk says what there is
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [p.as_posix() for p in paths if "__pycache__" not in p.parts and not any(x[0] == "." for x in p.parts)]
