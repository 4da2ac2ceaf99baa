"""A toy model and prepared eyes for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from bundle.deploy.export.writers import Batch
from bundle.deploy.model_folder import save_model
from tests.deploy.toy_intervals import DESCRIBED
from tests.toy import FUNDUS_SIZE, KEYS, MODALITIES, OCT_GRID, toy_regressor

GRID = {"oct_grid": list(OCT_GRID), "oct_extent_mm": [6.0, 2.0, 6.0], "fundus_size": FUNDUS_SIZE}
SHAPES = {"image": (1, *OCT_GRID), "fundus": (3, FUNDUS_SIZE, FUNDUS_SIZE)}


def random_eyes(
    n: int = 7, modalities: Iterable[str] = MODALITIES, shapes: dict[str, tuple[int, ...]] | None = None
) -> Batch:
    rng = np.random.default_rng(0)
    return {KEYS[name]: rng.normal(size=(n, *(shapes or SHAPES)[KEYS[name]])).astype(np.float32) for name in modalities}


def toy_model(folder: Path, modalities: Iterable[str] = MODALITIES) -> Path:
    save_model(folder, toy_regressor(modalities).eval(), {"version": "0.0.1", **GRID, **DESCRIBED})
    return folder


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("export") / "model")
