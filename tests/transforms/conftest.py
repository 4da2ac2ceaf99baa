"""Small eyes on disk, in the formats of the phantom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_eye(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Write one random eye (OCT NPZ, fundus PNG) and return its item as `Cohort.items` would."""

    def write(row: int = 2, eye: str = "OD", file_eye: str | None = None, mirrored: bool = False) -> dict[str, Any]:
        rng = np.random.default_rng(row)
        voxels = rng.integers(0, 256, (20, 96, 40), dtype=np.uint8)
        pixels = rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)
        if mirrored:
            voxels, pixels = voxels[:, :, ::-1], pixels[:, ::-1]
        oct_path, fundus_path = tmp_path / f"{row}_{eye}.npz", tmp_path / f"{row}_{eye}.png"
        spacing_mm = np.array([6 / 20, 2 / 96, 6 / 40])
        np.savez(oct_path, voxels=voxels, spacing_mm=spacing_mm, laterality=np.array(file_eye or eye))
        Image.fromarray(np.ascontiguousarray(pixels)).save(fundus_path)
        return {"image": str(oct_path), "fundus": str(fundus_path), "label": -2.5 - row, "eye": eye, "row": row}

    return write
