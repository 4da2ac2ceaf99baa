"""The answer's shape, and reasons that tell no file name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bundle.data.readers import read_fundus, read_oct
from bundle.deploy.model_folder import save_model
from bundle.deploy.monailabel.answer import answer, reason
from bundle.deploy.monailabel.studies import Studies
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError
from tests.deploy.toy_intervals import DESCRIBED, expected_limits_db
from tests.toy import FUNDUS_SIZE, OCT_GRID, toy_regressor, write_cohort

KEYS = [
    "model", "model_version", "md_db", "interval_db", "interval_level", "stage", "eye", "modalities", "md_oct_db",
    "md_fundus_db", "quality_flags",
]  # fmt: skip
NAME = "CANARY.Smith-4711"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("model")
    grid: dict[str, Any] = {"oct_grid": list(OCT_GRID), "oct_extent_mm": [6.0, 2.0, 6.0], "fundus_size": FUNDUS_SIZE}
    save_model(folder, toy_regressor().eval(), {"version": "0.0.1", **grid, **DESCRIBED})
    return Predictor(folder)


def test_every_set_of_images_gives_the_same_keys(predictor: Predictor, tmp_path: Path) -> None:
    write_cohort(tmp_path, n_patients=1)
    images = {"oct": str(tmp_path / "oct0.npz"), "fundus": str(tmp_path / "fundus0.png")}
    both = answer(predictor.predict(**images, eye="OD"))
    oct_alone = answer(predictor.predict(oct=images["oct"], eye="OD"))
    fundus_alone = answer(predictor.predict(fundus=images["fundus"], eye="OD"))
    assert list(both) == list(oct_alone) == list(fundus_alone) == KEYS
    assert both["md_oct_db"] == oct_alone["md_oct_db"] == oct_alone["md_db"]
    assert both["md_fundus_db"] == fundus_alone["md_fundus_db"] == fundus_alone["md_db"]
    assert oct_alone["md_fundus_db"] is None
    assert fundus_alone["md_oct_db"] is None
    for one in (both, oct_alone, fundus_alone):
        assert one["interval_db"] == pytest.approx(expected_limits_db(one["md_db"], one["modalities"]), abs=2e-3)
        assert one["interval_level"] == 0.9
        assert one["quality_flags"] is None


# ---- reasons ---------------------------------------------------------------------------------------------------------


def garbage(root: Path) -> None:
    (root / f"{NAME}_oct.npz").write_text("none")


def flat_image(root: Path) -> None:
    Image.new("RGB", (32, 32), (200, 90, 40)).save(root / f"{NAME}_oct.png")


def sidecar(root: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 255, (8, 24, 16), np.uint8)
    np.savez(root / f"{NAME}_oct.npz", voxels=voxels, spacing_mm=np.array([0.75, 0.08, 0.37]))
    (root / f"{NAME}_oct.json").write_text("[]")


def folder_of_scans(root: Path) -> None:
    (root / f"{NAME}_oct").mkdir()
    (root / f"{NAME}_oct" / "oct.json").write_text('{"spacing_mm": [0.1, 0.1, 0.1]}')
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 255, (24 + number // 4, 16), np.uint8)
        Image.fromarray(pixels).save(root / f"{NAME}_oct" / f"{NAME} {number + 1}.png")


def names_of_several_kinds(root: Path) -> None:
    folder_of_scans(root)
    (root / f"{NAME}_oct" / f"{NAME} 1.png").rename(root / f"{NAME}_oct" / f"other of {NAME} 1.png")


def study_folder(root: Path) -> None:
    (root / NAME).mkdir()
    (root / NAME / "oct.vol").write_bytes(b"HSF-OCT-103" + bytes(100))


def not_a_photograph(root: Path) -> None:
    (root / f"{NAME}_fundus.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))


@pytest.mark.parametrize(
    "write",
    [garbage, flat_image, sidecar, folder_of_scans, names_of_several_kinds, study_folder, not_a_photograph],
    ids=lambda write: write.__name__,
)
def test_a_reason_names_no_file(tmp_path: Path, write: Any) -> None:
    root = tmp_path / "CANARY-clinic"
    root.mkdir()
    write(root)
    ((name, study),) = Studies(root).all().items()
    read, modality = (read_oct, "oct") if study.oct else (read_fundus, "fundus")
    with pytest.raises(InputError) as caught:
        read(study.image(modality))
    assert "CANARY" in str(caught.value), "the reader's message names the file, or this test shows nothing"
    told = reason(caught.value, name, study, root)
    assert told.startswith(f"{modality}: ")
    assert not any(secret in told for secret in ("CANARY", "Smith", "4711", str(tmp_path)))
    assert len(told) > 30, "the reason itself stays"


def test_a_reason_for_no_eye_speaks_of_names_and_not_of_options(predictor: Predictor, tmp_path: Path) -> None:
    write_cohort(tmp_path, n_patients=1)
    (tmp_path / "manifest.csv").unlink()
    (tmp_path / "fundus0.png").rename(tmp_path / "a_fundus.png")
    studies = Studies(tmp_path)
    with pytest.raises(InputError) as caught:
        predictor.predict(fundus=str(studies.get("a").image("fundus")))
    told = reason(caught.value, "a", studies.get("a"), tmp_path)
    assert "--eye" not in told
    assert "_OD or _OS" in told
