"""A version of the code that prepares eyes, taken from the code itself: nobody can forget to raise it."""

from __future__ import annotations

import hashlib
import pickle
import pickletools
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent
# what decodes, resamples and filters; another release may round otherwise
_LIBRARIES = (
    *("imagecodecs", "monai", "nibabel", "numpy", "pillow", "pydicom", "pyjpegls", "pylibjpeg-openjpeg", "scipy"),
    "torch",
)


def code_version(transforms: Sequence[Any]) -> str | None:
    """Changes whenever the sources of the readers or of the transforms do, or a library they rest on.

    The sources of a transform are the files of its package (of its module alone, if that is in no package). Where they
    lie does not count, so that two checkouts of the same code agree. A changed comment counts, at the cost of preparing
    the eyes once more.

    None for transforms that pickle cannot store, such as a lambda, or whose source is unknown, such as a class that was
    typed into a console: they cannot be told from others.
    """
    try:
        files = {file for module in _modules(transforms) for file in _sources(module)}
        sources = sorted(_digest(file) for file in {*files, *_DATA.glob("*.py"), *(_DATA / "readers").rglob("*.py")})
    except (pickle.PickleError, AttributeError, TypeError, ValueError, OSError):
        return None
    return hashlib.sha256(repr((sources, [_installed(name) for name in _LIBRARIES])).encode()).hexdigest()


def _modules(transforms: Sequence[Any]) -> Iterator[str]:
    """Names of the modules whose classes and functions the pickled transforms would call."""
    for opcode, argument, _ in pickletools.genops(pickle.dumps(list(transforms), protocol=2, fix_imports=False)):
        if opcode.name == "GLOBAL":
            yield str(argument).split()[0]


def _sources(name: str) -> Iterator[Path]:
    if name in sys.builtin_module_names:
        return
    module = sys.modules[name]
    file = getattr(module, "__file__", None)
    if file is None:
        raise ValueError(f"{name} has no source")
    yield from Path(file).parent.glob("*.py") if module.__package__ else [Path(file)]


def _digest(file: Path) -> tuple[str, str, str]:
    return file.parent.name, file.name, hashlib.sha256(file.read_bytes()).hexdigest()


def _installed(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"no {library}"
