"""A zip archive whose bytes depend on names and contents alone."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bundle.reporting.atomic import write_bytes_atomic

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can say


def write_zip(path: Path, files: Mapping[str, Path]) -> Path:
    """Write the archive atomically; equal files give equal bytes, whenever and wherever it is made.

    Args:
        path: of the archive.
        files: where each member's content lies, by its name in the archive.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, source in sorted(files.items()):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            member.create_system = 3  # Unix, also when made elsewhere
            archive.writestr(member, source.read_bytes())
    return write_bytes_atomic(path, buffer.getvalue())
