"""A model and a patient's DICOM files; made without ignite, which the environment of MONAI Deploy does not have."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bundle.deploy.model_folder import save_model
from bundle.networks import ConcatFusion, MDRegressor, PatchStemEncoder
from tests.deploy.toy_intervals import DESCRIBED
from tests.dicom_files import canonical, write_opt
from tests.dicom_header import CANARY
from tests.dicom_photos import write_op

GRID = {"oct_grid": [4, 16, 8], "oct_extent_mm": [5.0, 2.0, 5.0], "fundus_size": 16}  # not those of the config


def network(oct: bool = True, fundus: bool = True) -> MDRegressor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MDRegressor(
            PatchStemEncoder(3, 1, [2, 4, 2], (4, 8)) if oct else None,
            PatchStemEncoder(2, 3, [4, 4], (4, 8)) if fundus else None,
            (lambda o, f: ConcatFusion(o, f, hidden=8)) if oct and fundus else None,
            md_mean_db=-6.0,
            md_sd_db=4.0,
        ).eval()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, network(), {"version": "0.0.1", **GRID, **DESCRIBED})
    return folder


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """The right eye with both examinations, the left with its OCT alone, and a file that is no DICOM."""
    folder = tmp_path / "patient"
    folder.mkdir()
    write_opt(folder / "a.dcm", canonical((6, 24, 16)), (0.9, 2 / 24, 6 / 16), "R")
    pixels = np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    write_op(folder / "b.dcm", pixels, laterality="R", patient_id=CANARY)
    write_opt(folder / "c.dcm", canonical((6, 24, 16), seed=2), (0.9, 2 / 24, 6 / 16), "L")
    (folder / "note.txt").write_text("no DICOM, and long enough to be looked at by its content")
    return folder
