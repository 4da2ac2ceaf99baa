"""A clinic's export as ingestion meets it: studies of phantom eyes in DICOM, full of identifiers, with usual mistakes.

Twenty canaries stand where identifiers stand: in headers, private tags, file names and folders.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from bundle.data.phantom import Phantom
from bundle.data.phantom.phantom import PhantomExamination
from tests.dicom_fields import field_24_2, write_opv
from tests.dicom_files import write_opt, write_series
from tests.dicom_photos import write_op

CANARIES = {
    "PatientID": "MRNCANARY01",
    "PatientName": "CANARYFAMILY02^CANARYGIVEN02",
    "PatientBirthDate": "19470311",
    "AccessionNumber": "ACCCANARY03",
    "StudyID": "STUCANARY04",
    "ReferringPhysicianName": "DRCANARY05",
    "InstitutionName": "HOSPITALCANARY06",
    "OperatorsName": "OPCANARY07",
    "DeviceSerialNumber": "SNCANARY08",
    "StationName": "STATCANARY09",
    "PatientAddress": "STREETCANARY10",
    "PatientTelephoneNumbers": "PHONECANARY11",
    "OtherPatientIDs": "OTHERCANARY12",
    "StudyDescription": "DESCCANARY13",
    "PatientComments": "COMMCANARY14",
    "ImageComments": "IMGCANARY15",
    "InstitutionAddress": "PLACECANARY16",
}
PRIVATE, FOLDER, FILE = "PRIVCANARY17", "FOLDERCANARY18", "FILECANARY19"
OTHER_BIRTH_FORM = "1947-03-11"
FIRST_DAY = datetime.date(2024, 2, 5)


def canaries() -> list[bytes]:
    """What must not be found in anything that ingestion, training or inference leaves."""
    texts = [*CANARIES.values(), PRIVATE, FOLDER, FILE, OTHER_BIRTH_FORM, "CANARY"]
    return [part.encode() for text in texts for part in text.split("^")]


def identify(dataset: Dataset, patient: int, day: datetime.date) -> None:
    """Write the canaries and the patient's own number and day into a header."""
    for keyword, value in CANARIES.items():
        setattr(dataset, keyword, value)
    dataset.PatientID = f"{CANARIES['PatientID']}{patient:03d}"
    dataset.PatientSex = "FM"[patient % 2]
    stamp = day.strftime("%Y%m%d")
    dataset.StudyDate = dataset.ContentDate = stamp
    dataset.AcquisitionDateTime = stamp + "101500"
    block = dataset.private_block(0x0011, "CANARY MAKER", create=True)
    block.add_new(0x01, "LO", PRIVATE)
    dataset.Manufacturer, dataset.ManufacturerModelName = "Acme", "Eye 3"


def examinations(n_patients: int) -> Iterator[tuple[int, datetime.date, PhantomExamination]]:
    """(patient, day, examination) of everything in a clinic of that size."""
    phantom = Phantom("default", seed=7)
    for patient in range(n_patients):
        for visit in range(1 + patient % 2):
            day = FIRST_DAY + datetime.timedelta(days=20 * patient + 400 * visit)
            for examination in phantom.examinations(patient + 100 * visit):
                yield patient, day, examination


def write_clinic(folder: Path, n_patients: int = 12) -> Path:
    """Write one folder a patient; both eyes, the odd patients twice.

    Patient 0: the right eye's OCT lies in a folder named OS. Patient 1: the first right eye's OCT is a series of single
    frames. Patient 2: an orphaned photograph a year later. Patient 3: no field of the left eye.
    """
    phantom = Phantom("default", seed=7)
    for patient in range(n_patients):
        (folder / f"{FOLDER}_{patient:03d}").mkdir(parents=True)
    for patient, day, examination in examinations(n_patients):
        write_eye(folder / f"{FOLDER}_{patient:03d}", phantom, examination, patient, day)
    photograph = phantom.render(phantom.examinations(50)[0])[1]
    late = FIRST_DAY + datetime.timedelta(days=800)
    write_photograph(folder / f"{FOLDER}_002" / f"{FILE}_late.dcm", photograph, "R", 2, late)
    return folder


def write_eye(home: Path, phantom: Phantom, examination: PhantomExamination, patient: int, day: datetime.date) -> None:
    """OCT, photograph (8 days later) and field (3 days earlier) of one eye."""
    eye, side = examination.eye, {"OD": "R", "OS": "L"}[examination.eye]
    voxels, pixels = phantom.render(examination)
    stem = f"{FILE}_{eye}_{day:%Y}"
    oct_home = home
    if patient == 0 and eye == "OD":
        oct_home, stem = home / "scans OS", stem.replace(f"_{eye}", "")
        oct_home.mkdir()
    spacing_mm = phantom.preset.oct.spacing_mm
    if patient == 1 and eye == "OD" and day.year == FIRST_DAY.year:
        write_series(home / f"series_{eye}", voxels, spacing_mm, side, change=lambda _, d: identify(d, patient, day))
    else:
        write_opt(oct_home / f"{stem}_oct.dcm", voxels, spacing_mm, side, change=lambda d: identify(d, patient, day))
    later = day + datetime.timedelta(days=8)
    write_photograph(home / f"{FILE}_{eye}_{day:%Y}_photo.dcm", pixels, side, patient, later)
    if not (patient == 3 and eye == "OS"):
        header, md_db = Dataset(), field_md_db(examination, patient, day)
        identify(header, patient, day - datetime.timedelta(days=3))
        write_opv(
            home / f"{FILE}_{eye}_{day:%Y}_field.dcm", laterality=side, md_db=md_db, points=field_24_2(side, -md_db),
            **{element.keyword: element.value for element in header if element.keyword},
        )  # fmt: skip


def field_md_db(examination: PhantomExamination, patient: int, day: datetime.date) -> float:
    """MD to a tenth of a dB; the thousandths tell the eyes and visits apart."""
    number = 4 * patient + 2 * (day.year > FIRST_DAY.year) + (examination.eye == "OS")
    return round(round(examination.md_db, 1) + number / 1000, 3)


def write_photograph(path: Path, pixels: np.ndarray, side: str, patient: int, day: datetime.date) -> None:
    """A DICOM photograph with the canaries in its header."""
    header = Dataset()
    identify(header, patient, day)
    write_op(
        path,
        pixels,
        laterality=side,
        **{element.keyword: element.value for element in header if element.keyword},
    )
