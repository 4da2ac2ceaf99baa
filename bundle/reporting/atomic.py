"""Files that are either the old ones or the new ones, never halves.

The content goes to a temporary file beside the target, is flushed to the disk, and takes the target's name in one
step. A process killed at any moment leaves the old file readable.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from pathlib import Path
from typing import Any


def write_bytes_atomic(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write bytes, making missing folders; returns the path. A failed write leaves no temporary file behind."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def write_text_atomic(path: str | os.PathLike[str], text: str) -> Path:
    """Write text as UTF-8 with `\\n` line ends on every system; see `write_bytes_atomic`."""
    return write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: str | os.PathLike[str], content: Any) -> Path:
    """Write strict JSON, indented; NaN and infinity, which JSON does not know, become null."""
    return write_text_atomic(path, json.dumps(_strict(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def _strict(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _strict(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_strict(value) for value in content]
    if isinstance(content, float):
        return float(content) if math.isfinite(content) else None
    return content
