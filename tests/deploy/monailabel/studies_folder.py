"""A studies folder of good and bad eyes whose names and headers hold planted identifiers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from tests.dicom_files import canonical, write_opt
from tests.dicom_photos import write_op
from tests.toy import write_cohort

CANARY = "CANARY"
SPACING_MM = (0.5, 0.02, 0.1)
# study: what the reason for refusing it has to say
REFUSED = {
    f"{CANARY}.text_OD": "oct: found unknown content",
    f"{CANARY}.flat_OD": "oct: found one flat image",
    f"{CANARY}.cut_OD": "oct: cannot be read as NPZ",
    f"{CANARY}.sizes_OD": "export all alike",
    f"{CANARY}.sidecar_OD": "found a list, expected an object",
    f"{CANARY}.two_OD": "oct: found 2 images",
    f"{CANARY}.link_OD": "oct: found a link out of the studies folder",
    f"{CANARY}.pipe_OD": "found a device, pipe or socket",
    f"{CANARY}.noeye": "write _OD or _OS",
    f"{CANARY}.other_OS": "expected the same eye",
    f"{CANARY}.header_OD": "oct: ",
}
SERVED = {  # study: its modalities
    f"{CANARY}.both_OD": ["oct", "fundus"],
    f"{CANARY}.scan_OS": ["oct"],
    f"{CANARY}.photo_OD": ["fundus"],
    f"{CANARY}.dicom": ["oct", "fundus"],
    f"{CANARY}.folder_OD": ["oct"],
}


def write_studies(home: Path) -> Path:
    """home/CANARY.clinic with every study of `REFUSED` and `SERVED`; one of them links to home/outside.npz."""
    root = home / f"{CANARY}.clinic"
    cohort = write_cohort(home / "cohort", n_patients=2).parent
    root.mkdir()
    npz = (cohort / "oct0.npz").read_bytes()
    (home / "outside.npz").write_bytes(npz)
    (root / f"{CANARY}.both_OD_oct.npz").write_bytes(npz)
    (root / f"{CANARY}.both_OD_fundus.png").write_bytes((cohort / "fundus0.png").read_bytes())
    _volume(root / f"{CANARY}.scan_OS_oct.npz", "OS")
    Image.new("L", (40, 40), 90).transform((40, 40), 0, (1, 0, 5, 0, 1, 0)).save(root / f"{CANARY}.photo_OD_fundus.jpg")
    (root / f"{CANARY}.dicom").mkdir()
    write_opt(root / f"{CANARY}.dicom" / "oct", canonical(), SPACING_MM, "R", change=_identified)
    write_op(
        root / f"{CANARY}.dicom" / "fundus.dcm", _photo(), patient_id=f"{CANARY}4711", PatientName=f"{CANARY}^Anna"
    )
    _scans(root / f"{CANARY}.folder_OD_oct", [24] * 5)
    _write_refused(root, npz)
    return root


def _write_refused(root: Path, npz: bytes) -> None:
    (root / f"{CANARY}.text_OD_oct.npz").write_text(f"{CANARY} 1955-05-05")
    Image.fromarray(_photo()).save(root / f"{CANARY}.flat_OD_oct.png")
    (root / f"{CANARY}.cut_OD_oct.npz").write_bytes(npz[: len(npz) // 2])
    _scans(root / f"{CANARY}.sizes_OD_oct", [24, 24, 24, 24, 30])
    _volume(root / f"{CANARY}.sidecar_OD_oct.npz", "OD")
    (root / f"{CANARY}.sidecar_OD_oct.json").write_text(f'["{CANARY}"]')
    for name in ("oct.npz", "oct.nii"):
        (root / f"{CANARY}.two_OD_{name}").write_bytes(npz)
    (root / f"{CANARY}.link_OD_oct.npz").symlink_to(root.parent / "outside.npz")
    os.mkfifo(root / f"{CANARY}.pipe_OD_oct.npz")
    Image.fromarray(_photo()).save(root / f"{CANARY}.noeye_fundus.png")
    _volume(root / f"{CANARY}.other_OS_oct.npz", "OD")
    path = write_opt(root / f"{CANARY}.header_OD_oct.dcm", canonical(), SPACING_MM, "R", change=_identified)
    path.write_bytes(path.read_bytes()[:-5000])


def _volume(path: Path, laterality: str) -> None:
    voxels = np.random.default_rng(1).integers(0, 255, (8, 24, 16), np.uint8)
    np.savez(path, voxels=voxels, spacing_mm=np.array([0.75, 2 / 24, 6 / 16]), laterality=np.array(laterality))


def _scans(folder: Path, heights: list[int]) -> None:
    folder.mkdir()
    (folder / "oct.json").write_text('{"spacing_mm": [0.75, 0.08, 0.37]}')
    for number, height in enumerate(heights, 1):
        pixels = np.random.default_rng(number).integers(0, 255, (height, 16), np.uint8)
        Image.fromarray(pixels).save(folder / f"{CANARY}.scan_{number}.png")


def _photo() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (40, 40, 3), np.uint8)


def _identified(dataset: Dataset) -> None:
    """Identifiers in the header, in places that libraries warn about as well."""
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = f"{CANARY}^Anna", f"{CANARY}4711", "19550505"
    dataset.add_new(0x00181020, "LO", f"{CANARY} software {'x' * 70}")  # longer than the standard allows
    dataset.add_new(0x00080070, "LO", f"{CANARY} maker {'x' * 70}")


def touch(root: Path, *names: str) -> Path:
    """The folder with files of these names, of one byte each."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root
