"""A folder that belongs to one preparation: the same source and options go on in it, all others are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bundle.data.adapters.output import write_bytes
from bundle.errors import InputError

SETTINGS_FILE = "dataset.json"


def claim(folder: Path, settings: Mapping[str, object]) -> None:
    """Make the folder ours, or refuse it: it must be new, empty, or prepared from the same source and options."""
    record = folder / SETTINGS_FILE
    occupied = folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir())
    wanted = json.loads(json.dumps(dict(settings)))
    if record.is_file():
        found = json.loads(record.read_text(encoding="utf-8"))
        different = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
        if different:
            raise InputError(
                f"{folder}: was prepared with another {' and '.join(different)}, expected the same: "
                "choose another folder (--manifest#out_dir) or delete this one"
            )
        return
    if occupied:
        raise InputError(f"{folder}: is not empty and holds no {SETTINGS_FILE}: choose a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(record, json.dumps(wanted, indent=2).encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}): choose another folder") from error
