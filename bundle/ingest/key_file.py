"""The secret key: where it lies, how it is made, and who may read it."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from bundle.errors import InputError

_BYTES = 32


def default_key_file(out: Path) -> Path:
    """`<DIR>.key`, beside the output folder."""
    return out.with_name(out.name + ".key")


def sources_file(key_file: Path, out: Path) -> Path:
    """The private list of numbers and paths, beside the key."""
    return key_file.with_name(out.name + "_sources.csv")


def load_key(key_file: Path, out: Path) -> bytes:
    """The key in a file of 64 hexadecimal digits; a new one, readable by its owner alone, where there is none.

    Raises InputError when the file would lie inside the output folder, holds no key, or others may read it.
    """
    if key_file.resolve().is_relative_to(out.resolve()):
        raise InputError(f"--key: {key_file} lies inside --out, expected a place that is not shared with the copies")
    try:
        if not key_file.exists():
            return _new_key(key_file)
        if os.name == "posix" and stat.S_IMODE(key_file.stat().st_mode) & 0o077:
            raise InputError(f"{key_file}: others may read the key, expected its owner alone: chmod 600 {key_file}")
        text = key_file.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise InputError(f"{key_file}: the key cannot be read or made ({error.strerror}): check the path") from error
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise InputError(f"{key_file}: found no key, expected 64 hexadecimal digits: name the key file of this cohort")
    return bytes.fromhex(text)


def _new_key(key_file: Path) -> bytes:
    key_file.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(_BYTES)
    write_private(key_file, key.hex() + "\n", new=True)
    return key


def write_private(path: Path, text: str, *, new: bool = False) -> None:
    """Write a file that its owner alone may read, in one step; with `new`, one that exists is an error."""
    if new:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_private(temporary, text, new=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
