"""All checks of a package, in order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bundle.deploy.verify import content, files, metadata
from bundle.deploy.verify.commands import CommandChecks
from bundle.deploy.verify.environment import Environment
from bundle.deploy.verify.network import NetworkChecks
from bundle.deploy.verify.outcome import Check, Outcome, run_checks
from bundle.errors import InputError

OF_FILES: dict[str, Callable[[Path], str]] = {
    "name": files.name,
    "required files": files.required_files,
    "file sizes": files.sizes,
    "checksums": files.checksums,
    "large files": files.large_files_listed,
    "version and changelog": metadata.version,
    "metadata schema": metadata.schema,
    "exact pins": metadata.exact_pins,
    "no local paths": content.local_paths,
    "no pickles": content.pickles,
    "no torchvision": content.no_torchvision,
    "imports": content.imports,
}


def verify(folder: Path, environment: Environment | None) -> Iterator[Outcome]:
    """The outcome of each check, as it is made.

    Args:
        folder: of the package. The checks of network and commands run its code: verify what you would run anyway.
        environment: where the commands run; None leaves them out, and checks the network with this interpreter.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give that of a package, as scripts.package_bundle writes it")
    folder = folder.resolve()
    yield from run_checks([(name, partial(check, folder)) for name, check in OF_FILES.items()])
    yield from run_checks(NetworkChecks(folder, sys.executable).checks())
    if environment is None:
        for name in ("fresh environment", "train one epoch", "evaluate", "infer the sample eyes"):
            yield Outcome(name, "skip", "not asked for (--quick)")
        return
    commands = CommandChecks(folder, environment)
    checks: list[Check] = commands.checks()
    try:
        yield from run_checks(checks)
    finally:
        commands.close()
