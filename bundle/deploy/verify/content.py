"""What a package must not hold: paths of somebody's machine, pickles, torchvision, imports that lead nowhere."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bundle.deploy.checksums import bundle_files
from bundle.deploy.verify.outcome import Failed
from bundle.deploy.zoo_rules import WEIGHTS

TEXT = {".py", ".yaml", ".yml", ".json", ".md", ".txt", ".conf", ".csv", ".cfg", ".toml", ""}
# folders that belong to one person or one machine; built so that this file does not find itself
PRIVATE = re.compile(r"(?<![\w.:/])/(?:home|Users|root|mnt|scratch|private|work)/\w|\b[A-Za-z]:\\\\?Users\b")
PICKLES = {".pkl", ".pickle", ".joblib", ".dill"}
UNWANTED = "torchvision"


def local_paths(folder: Path) -> str:
    """No text file names a folder of the machine that made the package."""
    found = [f"{file}, line {number}" for file, number, line in _lines(folder) if PRIVATE.search(line)]
    if found:
        raise Failed(f"path of a machine in {', '.join(found[:5])}", "write relative paths and package again")
    return ""


def pickles(folder: Path) -> str:
    """Only models/model.pt holds pickled data, and that is read with weights_only."""
    found = [file for file in bundle_files(folder) if file != WEIGHTS and _is_pickle(folder / file)]
    if found:
        raise Failed(f"pickled data, which can run code when read: {', '.join(found[:5])}", "leave them out")
    return ""


def no_torchvision(folder: Path) -> str:
    """Nothing asks for torchvision: not Python, not a config, not the requirements."""
    found = []
    for file in bundle_files(folder):
        if file.endswith(".py"):
            found += [file] if _imports_unwanted(folder / file) else []
        elif PurePosixPath(file).suffix in (".yaml", ".yml", ".json", ".txt", ".conf"):
            lines = (folder / file).read_text(encoding="utf-8", errors="replace").splitlines()
            found += [file] if any(UNWANTED in line.partition("#")[0] for line in lines) else []
    if found:
        raise Failed(f"{UNWANTED} in {', '.join(sorted(set(found)))}", "do without it: the bundle must not need it")
    return ""


def imports(folder: Path) -> str:
    """Every module of bundle and scripts that a packaged file imports is packaged too."""
    files = [file for file in bundle_files(folder) if file.endswith(".py")]
    modules = {".".join(PurePosixPath(file).with_suffix("").parts).removesuffix(".__init__") for file in files}
    missing = {
        f"{file} imports {name}"
        for file in files
        for name in _imports(folder / file)
        if name.split(".")[0] in ("bundle", "scripts", "tests") and name not in modules
    }
    if missing:
        raise Failed("; ".join(sorted(missing)[:5]), "package the modules that are missing")
    return f"{len(modules)} modules"


def _lines(folder: Path) -> Iterator[tuple[str, int, str]]:
    for file in bundle_files(folder):
        if PurePosixPath(file).suffix in TEXT:
            text = (folder / file).read_text(encoding="utf-8", errors="replace")
            yield from ((file, number, line) for number, line in enumerate(text.splitlines(), 1))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def _imports_unwanted(path: Path) -> bool:
    if UNWANTED not in path.read_text(encoding="utf-8"):  # most files: no need to parse them
        return False
    return UNWANTED in {name.split(".")[0] for name in _imports(path)}


def _is_pickle(path: Path) -> bool:
    """By the file's name, by its first bytes, or by what is in it where it is a zip archive, as .npz and .pt are."""
    if path.suffix in PICKLES:
        return True
    with path.open("rb") as file:
        head = file.read(2)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(_holds_pickle(archive, name) for name in archive.namelist())


def _holds_pickle(archive: zipfile.ZipFile, name: str) -> bool:
    """PyTorch's data.pkl, or a NumPy array of Python objects."""
    if PurePosixPath(name).suffix in PICKLES:
        return True
    return name.endswith(".npy") and b"'|O'" in archive.open(name).read(256)
