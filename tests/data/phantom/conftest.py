"""One draw of phantom eyes, shared by the gates."""

from __future__ import annotations

import numpy as np
import pytest

from bundle.data.phantom import Phantom, PhantomExamination

N_RENDERED = 800


@pytest.fixture(scope="session")
def eyes() -> list[PhantomExamination]:
    """The examinations of 1,500 patients of the default cohort, without pixels."""
    source = Phantom("default", seed=11)
    return [examination for index in range(1500) for examination in source.examinations(index)]


@pytest.fixture(scope="session")
def md_db(eyes: list[PhantomExamination]) -> np.ndarray:
    """MD of each of `eyes`."""
    return np.array([examination.md_db for examination in eyes])


@pytest.fixture(scope="session")
def images(eyes: list[PhantomExamination]) -> tuple[np.ndarray, np.ndarray]:
    """Volumes and photographs of the first `N_RENDERED` eyes, turned to right-eye orientation, float32."""
    source = Phantom("default", seed=11)
    volumes, photographs = [], []
    for examination in eyes[:N_RENDERED]:
        voxels, pixels = source.render(examination)
        flip = examination.eye == "OS"
        volumes.append(voxels[:, :, ::-1] if flip else voxels)
        photographs.append(pixels[:, ::-1] if flip else pixels)
    return np.stack(volumes).astype(np.float32), np.stack(photographs).astype(np.float32)
