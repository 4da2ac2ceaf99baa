"""A TorchScript file as others should get it: nothing about the machine that made it."""

from __future__ import annotations

import io
import zipfile


def plain_torchscript(content: bytes) -> bytes:
    """The same file without its debug tables, which hold source lines with folder names; nothing else reads them."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as made, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as plain:
        for entry in made.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                plain.writestr(entry, made.read(entry))
    return out.getvalue()
