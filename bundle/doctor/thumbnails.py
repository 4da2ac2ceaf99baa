"""Small pictures of an eye: the middle B-scan, the volume from above, the photograph."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from bundle.data.examination import Examination
from bundle.data.readers import read_fundus, read_oct
from bundle.doctor.coarse import block_mean
from bundle.errors import InputError

_WIDTH = 144
_MOST_HEIGHT = 144
_COLOURS = 64  # of a photograph: a palette makes it a third as large

Thumbnails = dict[str, str]  # caption: PNG as a data URI


def thumbnails(examinations: Sequence[Examination], workers: int) -> dict[int, Thumbnails]:
    """{row: pictures} of the eyes; a file that cannot be read has none."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        results = pool.map(_of_eye, examinations)
        bar = tqdm(results, total=len(examinations), desc="pictures", unit="eye", disable=None)
        return {one.row: pictures for one, pictures in zip(examinations, bar, strict=True)}


def _of_eye(one: Examination) -> Thumbnails:
    pictures: Thumbnails = {}
    try:
        if one.oct is not None:
            volume = read_oct(one.oct)
            bscan_mm, depth_mm, ascan_mm = (
                n * mm for n, mm in zip(volume.voxels.shape, volume.spacing_mm, strict=True)
            )
            # Depth is stretched by 2, or a scan of 2 x 6 mm would be too flat to see layers in.
            pictures["B-scan"] = _grey(volume.voxels[len(volume.voxels) // 2], 2 * depth_mm / ascan_mm)
            pictures["from above"] = _grey(volume.voxels.mean(axis=1, dtype=np.float32), bscan_mm / ascan_mm)
    except (InputError, OSError, MemoryError):
        pass  # told by the check "unreadable"
    try:
        if one.fundus is not None:
            image = Image.fromarray(read_fundus(one.fundus).pixels)
            image.thumbnail((_WIDTH, _MOST_HEIGHT))
            pictures["photograph"] = _uri(image.quantize(_COLOURS))
    except (InputError, OSError, MemoryError):
        pass
    return pictures


def _grey(image: np.ndarray, height_over_width: float) -> str:
    """An image stretched from its 1st to its 99.5th percentile, in its true proportions."""
    height = int(np.clip(round(_WIDTH * height_over_width), 24, _MOST_HEIGHT))
    small = block_mean(block_mean(image, 0, height), 1, _WIDTH)
    low, high = np.percentile(small, (1, 99.5))
    scaled = np.clip((small - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return _uri(Image.fromarray(scaled).resize((_WIDTH, height), Image.Resampling.BILINEAR))


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
