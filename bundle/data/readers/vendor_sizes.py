"""What a Topcon or Heidelberg .E2E file says of its images' sizes, which the optional reader believes unseen."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

from bundle.data.readers.records import MAX_VOXELS
from bundle.errors import InputError

_E2E_IMAGE = 0x40000000
# The names of Topcon's volumes, and where width, height and number of B-scans (32 bits each) follow, by the bytes after
# the name.
_TOPCON_SIZES = {b"@IMG_JPEG": (13, 17, 21), b"@IMG_SCAN_03": (5, 9, 17)}


def check_sizes(path: Path) -> None:
    """Refuse sizes that no scan has or the file cannot hold, before they cost memory or time without end."""
    content = path.read_bytes()
    if content.startswith(b"CMDb"):
        _check_e2e(content)
    else:
        _check_topcon(content)


def _check_e2e(content: bytes) -> None:
    for found in re.finditer(b"MDbData", content):
        chunk = content[found.start() : found.start() + 80]
        if len(chunk) == 80 and struct.unpack_from("<I", chunk, 52)[0] == _E2E_IMAGE:
            width, height = struct.unpack_from("<2I", chunk, 72)
            bytes_each = 2 if struct.unpack_from("<H", chunk, 48)[0] == 1 else 1  # 1: OCT, 0: infrared image
            if width * height * bytes_each > len(content) - found.start() - 80:
                raise InputError(f"found an image that promises {width} x {height} pixels, more than follow: copy it")


def _check_topcon(content: bytes) -> None:
    for name, places in _TOPCON_SIZES.items():
        for found in re.finditer(name, content):
            if found.end() + places[-1] + 4 > len(content):
                continue
            width, height, n = (struct.unpack_from("<I", content, found.end() + place)[0] for place in places)
            if math.prod((width, height, n)) > MAX_VOXELS:
                raise InputError(
                    f"found a volume that promises {n} B-scans of {height} x {width} pixels: copy it again"
                )
