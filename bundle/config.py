"""What a config file needs beyond MONAI's runner: keys that are checked, and a record of what was run."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from bundle.engines.distributed import rank
from bundle.errors import InputError
from bundle.reporting.atomic import write_text_atomic

REFERENCE = re.compile(r"[@%](\w+)")


def running_parser() -> ConfigParser | None:
    """The parser whose config is being run, or None outside of one.

    MONAI gives a component no handle on its config, so the callers' frames are searched for the parser.
    """
    frame = inspect.currentframe()
    while frame is not None:
        candidate = frame.f_locals.get("self")
        if isinstance(candidate, ConfigParser):
            return candidate
        frame = frame.f_back
    return None


def check_keys(known: str) -> None:
    """Refuse a top-level key that the config does not know: MONAI accepts a misspelt override in silence.

    A key is known when the reference file has it, or when some other entry refers to it.

    Args:
        known: path of the reference YAML, the bundle's own config.

    Raises:
        InputError: names the key and the nearest known one.
    """
    parser = running_parser()
    if parser is None:
        return
    config = {key: value for key, value in parser.config.items() if key != ConfigParser.meta_key}
    expected = set(yaml.safe_load(Path(known).read_text(encoding="utf-8")))
    used = set(REFERENCE.findall(str(list(config.values()))))
    for key in config:
        if key not in expected and key not in used:
            near = difflib.get_close_matches(key, expected, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(expected))}"
            raise InputError(f"config: unknown key {key!r}; {advice}")


def save_config(path: str | Path) -> Path:
    """Write the running config, overlays and overrides applied, as YAML.

    Raises:
        InputError: no config is running.
    """
    parser = running_parser()
    if parser is None:
        raise InputError("save_config: no config is running; call it from a config's `initialize`")
    config: dict[str, Any] = {key: value for key, value in parser.config.items() if key != ConfigParser.meta_key}
    return write_text_atomic(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120))


def run_folder(resume: str | None, new: str) -> str:
    """Where a training writes: the folder of the run it resumes, or a new one.

    Args:
        resume: None, a run's folder, or a checkpoint file in its `checkpoints`.
        new: the folder of a run that starts afresh.

    Raises:
        InputError: there is nothing at `resume`; without this check a misspelt path would make a folder elsewhere.
    """
    if not resume:
        return new
    path = Path(resume).resolve()
    if path.is_file():
        return str(path.parent.parent if path.parent.name == "checkpoints" else path.parent)
    if not path.is_dir():
        raise InputError(f"resume: found nothing at {resume}; give a run's folder, such as eval/latest")
    return str(path)


def start_run(output_dir: str) -> None:
    """Make the run's folder, save the config in it, and point `latest` beside it at it.

    Raises:
        InputError: the folder cannot be made.
    """
    if rank() != 0:
        return
    folder = Path(output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output_dir: cannot make {output_dir} ({error.strerror}); choose another folder") from error
    save_config(folder / "config.yaml")
    link = folder.parent / "latest"
    if link.is_symlink() or not link.exists():
        temporary = folder.parent / f".latest.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        try:
            temporary.symlink_to(folder.name, target_is_directory=True)
            os.replace(temporary, link)
        except OSError:
            temporary.unlink(missing_ok=True)  # a file system without links: the run's own name still leads there
