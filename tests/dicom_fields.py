"""Writes DICOM visual fields (OPV) as perimeters export them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from bundle.data.perimetry import BLIND_SPOT, POINTS_DEG, normal_sensitivity_24_2

OPV_CLASS = "1.2.840.10008.5.1.4.1.1.80.1"


def field_24_2(laterality: str = "R", loss_db: float | np.ndarray = 4.0, age_years: float = 60.0) -> np.ndarray:
    """(54, 4) x, y, sensitivity, total deviation of an eye that has lost `loss_db` ((54,) in right-eye order, or one).

    The blind spot has the sensitivity 0 dB and no total deviation (NaN).
    """
    deviation = np.where(BLIND_SPOT, np.nan, -np.asarray(loss_db, dtype=float))
    sensitivity = np.where(BLIND_SPOT, 0.0, normal_sensitivity_24_2(age_years) + deviation)
    x = POINTS_DEG[:, 0] * (-1 if laterality == "L" else 1)
    return np.stack([x, POINTS_DEG[:, 1], sensitivity, deviation], axis=1)


def write_opv(
    path: Path,
    *,
    laterality: str = "R",
    md_db: float | None = -4.0,
    psd_db: float | None = 2.5,
    points: np.ndarray | None = None,
    patient_id: str = "P1",
    date: str = "20240131",
    time: str = "103000",
    fixation: Sequence[int] | None = (1, 15),
    false_positives: float | Sequence[int] | None = 3.0,
    false_negatives: float | Sequence[int] | None = 5.0,
    **attributes: Any,
) -> Path:
    """Write one OPV object and return its path.

    laterality: R, L or B. md_db: None leaves the results against normals out; psd_db: None leaves out that value.
    points: (n, 4) x, y, sensitivity, total deviation, NaN where there is none; default `field_24_2(laterality)`.
    fixation: (losses, checks). false_positives, false_negatives: per cent, or (failures, catch trials); None: neither.
    attributes: any other element by keyword, set last; None deletes it.
    """
    dataset = _header(laterality, patient_id, date, time)
    dataset.VisualFieldTestPointSequence = [_point(row) for row in _default(points, laterality)]
    if md_db is not None:
        results = pydicom.Dataset()
        results.GlobalDeviationFromNormal = md_db
        if psd_db is not None:
            results.LocalizedDeviationFromNormal = psd_db
        dataset.ResultsNormalsSequence = [results]
    if fixation is not None:
        checks = pydicom.Dataset()
        checks.PatientNotProperlyFixatedQuantity, checks.FixationCheckedQuantity = fixation
        dataset.FixationSequence = [checks]
    trials = pydicom.Dataset()
    _catch_trials(trials, "Positive", false_positives)
    _catch_trials(trials, "Negative", false_negatives)
    dataset.VisualFieldCatchTrialSequence = [trials]
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def _default(points: np.ndarray | None, laterality: str) -> np.ndarray:
    return field_24_2(laterality) if points is None else points


def _header(laterality: str, patient_id: str, date: str, time: str) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = OPV_CLASS, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = patient_id, "DOE^JANE", "19500704"
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "OPV", "Zeiss", "HFA 3"
    dataset.DeviceSerialNumber = "SN-0815"
    dataset.StudyDate = dataset.ContentDate = date
    dataset.StudyTime = dataset.ContentTime = time
    dataset.MeasurementLaterality = laterality
    dataset.VisualFieldTestNormalsFlag = "YES"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _point(row: np.ndarray) -> pydicom.Dataset:
    x_deg, y_deg, sensitivity_db, deviation_db = (float(value) for value in row)
    item = pydicom.Dataset()
    item.VisualFieldTestPointXCoordinate, item.VisualFieldTestPointYCoordinate = x_deg, y_deg
    if np.isnan(sensitivity_db):
        item.StimulusResults = "NOT SEEN"
    else:
        item.StimulusResults, item.SensitivityValue = "SEEN", sensitivity_db
    if not np.isnan(deviation_db):
        normals = pydicom.Dataset()
        normals.AgeCorrectedSensitivityDeviationValue = deviation_db
        item.VisualFieldTestPointNormalsSequence = [normals]
    return item


def _catch_trials(trials: pydicom.Dataset, kind: str, value: float | Sequence[int] | None) -> None:
    estimated = isinstance(value, (int, float))
    setattr(trials, f"False{kind}sEstimateFlag", "YES" if estimated else "NO")
    if isinstance(value, (int, float)):
        setattr(trials, f"False{kind}sEstimate", float(value))
    elif value is not None:
        failed, tried = value
        setattr(trials, f"False{kind}sQuantity", failed)
        setattr(trials, f"{kind}CatchTrialsQuantity", tried)
