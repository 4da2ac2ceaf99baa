"""Visual fields in DICOM: Ophthalmic Visual Field Static Perimetry Measurements (PS3.3, A.56 and C.8.26).

Such a file holds no image. Angles are degrees with right and up positive, values dB, estimates per cent.
"""

from __future__ import annotations

import datetime
import math
from pathlib import Path

import numpy as np
import pydicom

from bundle.data.readers.dicom.dataset import device_of, is_dicom, laterality_of, no_header_text, open_dicom
from bundle.data.readers.dicom.reliability import reliability_of
from bundle.data.readers.dicom.sop_classes import OPV, class_name
from bundle.data.readers.dicom.values import first_item, number
from bundle.data.visual_field import VisualField
from bundle.errors import InputError

MAX_POINTS = 1000  # the densest patterns have about 150
_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_NO_REPORT = (
    "found a printed report (PDF); MD cannot be read from a printed report: export the field as DICOM OPV, "
    "or write md_db in the manifest"
)
_EYES = {"R": "OD", "L": "OS"}
_UNSEEN_DB = 0.0
_DATES = ("AcquisitionDateTime", "AcquisitionDate", "PerformedProcedureStepStartDate", "StudyDate", "ContentDate")


def is_perimetry(head: bytes, path: Path) -> bool:
    """Whether the content is DICOM, or a PDF, which is refused with a reason of its own."""
    return is_dicom(head, path) or head.startswith(b"%PDF")


def read_opv(path: Path) -> VisualField:
    """Read a static visual field: MD, PSD, eye, test points, reliability, day and device.

    A point that was not seen has the sensitivity that the file gives, else 0 dB. MD is nan when the test has no normal
    values. Raises InputError for any other file, both eyes together, impossible or contradictory values, and an MD that
    counts loss as positive.
    """
    path = Path(path)
    with path.open("rb") as file:
        if file.read(4) == b"%PDF":
            raise InputError(_NO_REPORT)
    dataset = open_dicom(path)
    with no_header_text():
        _check_class(str(dataset.SOPClassUID))
        md_db, psd_db = _indices_db(dataset)
        return VisualField(
            md_db=md_db,
            psd_db=psd_db,
            laterality=_laterality(dataset),
            points=_points(dataset),
            reliability=reliability_of(dataset),
            test_date=_test_date(dataset),
            device=device_of(dataset),
        )


def _check_class(uid: str) -> None:
    if uid == _ENCAPSULATED_PDF:
        raise InputError(_NO_REPORT)
    if uid != OPV:
        raise InputError(f"found DICOM, {class_name(uid)}, expected a visual field (OPV): name the perimeter's file")


def _laterality(dataset: pydicom.Dataset) -> str:
    measured = str(dataset.get("MeasurementLaterality") or "").strip().upper()
    if measured == "B":
        raise InputError("found a field of both eyes together, which is no eye's MD: export each eye's field by itself")
    if measured not in _EYES:
        raise InputError("found no MeasurementLaterality of R or L: export the field again")
    series = laterality_of(dataset)
    if series not in (None, _EYES[measured]):
        raise InputError("found one eye in MeasurementLaterality and the other in Laterality: correct the wrong one")
    return _EYES[measured]


def _indices_db(dataset: pydicom.Dataset) -> tuple[float, float]:
    """MD and PSD; both nan when there are no results against normals at all."""
    results = first_item(dataset, "ResultsNormalsSequence")
    if results is None:
        return math.nan, math.nan
    md_db = number(results, "GlobalDeviationFromNormal")
    if md_db is None:
        raise InputError("found results against normals without GlobalDeviationFromNormal (MD): export the field again")
    psd_db = number(results, "LocalizedDeviationFromNormal")
    return md_db, math.nan if psd_db is None else psd_db


def _points(dataset: pydicom.Dataset) -> np.ndarray:
    """(n, 4) x, y, sensitivity and total deviation of the test points."""
    items = dataset.get("VisualFieldTestPointSequence") or []
    if not 1 <= len(items) <= MAX_POINTS:
        raise InputError(f"found {len(items)} test points, expected 1 to {MAX_POINTS}: export the field again")
    return np.array([_point(item) for item in items], dtype=np.float64)


def _point(item: pydicom.Dataset) -> tuple[float, ...]:
    x_deg, y_deg = (number(item, f"VisualFieldTestPoint{axis}Coordinate") for axis in "XY")
    sensitivity_db = number(item, "SensitivityValue")
    if sensitivity_db is None and item.get("StimulusResults") == "NOT SEEN":
        sensitivity_db = _UNSEEN_DB
    normals = first_item(item, "VisualFieldTestPointNormalsSequence")
    deviation_db = None if normals is None else number(normals, "AgeCorrectedSensitivityDeviationValue")
    return tuple(math.nan if value is None else value for value in (x_deg, y_deg, sensitivity_db, deviation_db))


def _test_date(dataset: pydicom.Dataset) -> datetime.date | None:
    """The day of the first date that is filled; None when none is a date."""
    for keyword in _DATES:
        text = str(dataset.get(keyword) or "").strip()[:8]
        try:
            return datetime.datetime.strptime(text, "%Y%m%d").date()
        except ValueError:
            continue
    return None
